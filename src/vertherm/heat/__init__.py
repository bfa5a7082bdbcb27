"""Bioheat solver, shaft, schedules, and the coupling that re-solves the antenna as tissue dries."""
