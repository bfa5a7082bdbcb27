"""DICOM written: objects that carry results back to an archive. They take volumes and rows, never a plan."""
