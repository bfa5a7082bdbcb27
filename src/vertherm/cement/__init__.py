"""Cement: where it goes, how warm it gets, what it strengthens."""
