"""Bringing records in: files are read, checked as a whole and written in one transaction, or not at all."""

from vertherm.registry.importing.importer import ImportReport, check_path, import_path, import_records
from vertherm.registry.importing.problem import ImportProblems, Problem, problems_csv
from vertherm.registry.importing.reader import read
from vertherm.registry.importing.validator import validate, validate_records

__all__ = [
    "ImportProblems",
    "ImportReport",
    "Problem",
    "check_path",
    "import_path",
    "import_records",
    "problems_csv",
    "read",
    "validate",
    "validate_records",
]
