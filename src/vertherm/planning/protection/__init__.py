"""Dissection, irrigation and skin cooling of a treatment: where they lie, and what they change."""
