"""REDCap: our record as its data dictionary, its longitudinal layout and its records, in both directions."""
