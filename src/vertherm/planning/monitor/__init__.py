"""Live thermocouple readings beside the prediction: update, decide, advise."""
