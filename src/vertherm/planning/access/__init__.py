"""Needle paths of a case: its scene and goal, the search, and files for other viewers."""
