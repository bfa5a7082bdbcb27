"""Figures of a review: vector and pixels, colours that are told apart without colour vision."""
