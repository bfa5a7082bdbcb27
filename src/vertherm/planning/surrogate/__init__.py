"""The fast dose model behind the optimiser: any dose of one arrangement of needles in milliseconds."""
