"""Antenna catalogue, axisymmetric electromagnetics, power deposition in the patient."""
