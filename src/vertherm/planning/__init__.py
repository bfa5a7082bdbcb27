"""Case, protocol, treatment, assessment."""
