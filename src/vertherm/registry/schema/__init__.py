"""What the registry stores: one catalogue of entities and fields from which everything else is made."""
