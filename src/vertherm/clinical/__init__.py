"""Levels, regions, pathologies."""
