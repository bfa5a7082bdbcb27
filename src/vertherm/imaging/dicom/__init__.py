"""DICOM read: series, segmentations, structure sets, from folders and archives of unknown origin."""
