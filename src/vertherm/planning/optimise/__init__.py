"""From paths and a surrogate to a plan: dose, chart, check with the full model, and what would help."""
