"""What the command bench runs."""
