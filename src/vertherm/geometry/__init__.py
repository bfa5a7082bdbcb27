"""Volumes with their affine, trajectories, surfaces, distances and margins."""
