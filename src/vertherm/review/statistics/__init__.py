"""Statistics of the review: pure functions on arrays, frozen results, nothing about tables or databases."""
