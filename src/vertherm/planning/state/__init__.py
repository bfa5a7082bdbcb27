"""A planned case on disk: what a re-plan or a watch over the treatment starts from."""
