"""Archives (PACS): query, retrieve and store over DICOMweb and DIMSE."""
