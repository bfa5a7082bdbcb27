"""The bioheat solver and other codes on the same two problems, against a reference that is neither."""
