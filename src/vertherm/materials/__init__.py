"""Tissue properties, drying and damage models, and the tissue map on the heat grid."""
