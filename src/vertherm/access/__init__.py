"""Needle paths: every admissible straight way from the skin to the lesion, scored, compared and explained."""
