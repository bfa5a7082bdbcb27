"""Typed warnings: a user can filter or escalate each kind on its own."""

from __future__ import annotations


class VerthermWarning(UserWarning):
    """Base of all warnings of the package."""


class ImagingWarning(VerthermWarning):
    """Something about the images deserves a look (gantry tilt resampled, duplicate slices, metal in the field)."""


class UnverifiedValueWarning(VerthermWarning):
    """A value that no source confirms was used."""


class ModelRangeWarning(VerthermWarning):
    """A model was used at the edge of, or beyond, its range of validity."""
