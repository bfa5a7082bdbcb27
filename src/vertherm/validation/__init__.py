"""What the command validate runs."""
