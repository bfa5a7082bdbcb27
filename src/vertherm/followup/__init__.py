"""The scan afterwards: registration, treated zone, margin, what was predicted against what is seen, response."""
