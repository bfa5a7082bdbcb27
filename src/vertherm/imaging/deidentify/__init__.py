"""De-identification by the basic profile of DICOM PS3.15 with its options."""
