"""Errors, typed warnings, provenance, atomic writes, progress, content cache."""
