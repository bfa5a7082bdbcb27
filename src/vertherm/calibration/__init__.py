"""Calibration of a device from bench measurements: efficiency and drying parameters with their uncertainty."""
