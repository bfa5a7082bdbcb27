"""The cement of a case: from the case file through fill, heat and strength to one document."""
