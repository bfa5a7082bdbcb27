"""Synthetic series: made-up patients that test the software. They are no evidence of anything.

``khan2018`` has the margins of Khan et al., AJNR 2018, ``bmc2022`` those of a series of 82 patients, ``stress`` is a
large series with every kind of record. Every patient and series is marked synthetic.
"""

from __future__ import annotations

from vertherm.core.errors import InputError
from vertherm.registry.records import Records

NAMES = ("khan2018", "bmc2022", "stress")
STRESS_PATIENTS = 10_000
MOST_PATIENTS = 1_000_000


def generate(name: str, *, seed: int = 0, patients: int | None = None) -> Records:
    """Make a synthetic series; the same name, seed and number give the same records.

    Args:
        name: one of :data:`NAMES`.
        seed: 0 or more. Another seed makes other patients with the same margins.
        patients: number of patients, for ``stress`` only (10,000 unless named).

    Raises:
        InputError: unknown name, negative seed, or a number of patients that the series does not allow.
    """
    if name not in NAMES:
        raise InputError("There is no synthetic series of this name.", got=repr(name), expected=", ".join(NAMES))
    if seed < 0:
        raise InputError("A seed must be a whole number of 0 or more.", got=seed)
    if name == "stress":
        return _stress(seed, STRESS_PATIENTS if patients is None else patients)
    if patients is not None:
        raise InputError(
            "The number of patients of this series is fixed by its source.",
            where=name,
            got=patients,
            advice="leave the number out, or make a stress series",
        )
    # numpy and the generators load only when a series is made.
    if name == "khan2018":
        from vertherm.registry.synthetic import khan2018

        return khan2018.make(seed)
    from vertherm.registry.synthetic import bmc2022

    return bmc2022.make(seed)


def _stress(seed: int, patients: int) -> Records:
    if not 1 <= patients <= MOST_PATIENTS:
        raise InputError("This number of patients cannot be made.", got=patients, expected=f"1 to {MOST_PATIENTS}")
    from vertherm.registry.synthetic import stress

    return stress.make(seed, patients)
