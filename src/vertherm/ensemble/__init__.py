"""Distributions, samples, sensitivity, order statistics, and a runner for many members on Dask. Knows no physics."""
