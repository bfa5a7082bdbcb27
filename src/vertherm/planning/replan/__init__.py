"""A plan where the needle really lies: read it, compute it anew, compare, keep it."""
