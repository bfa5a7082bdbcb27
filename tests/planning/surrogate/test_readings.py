"""Which variant decides."""

from __future__ import annotations

import numpy as np
import pytest

from vertherm.core.errors import InputError
from vertherm.planning.surrogate.dose import Dose, Pulse
from vertherm.planning.surrogate.readings import decide_coverage, decide_safety


def test_members_are_decided_by_the_worst() -> None:
    assert decide_safety(np.array([41.0, 44.0, 43.0]), 0) == 44.0
    assert decide_coverage(np.array([0.9, 0.7, 0.8]), 0) == 0.7


def test_samples_are_decided_by_their_bound_or_the_nominal() -> None:
    """93 samples: the second largest (Wilks); few: the largest; the nominal counts in any case."""
    many = np.concatenate([[40.0], np.full(91, 41.0), [43.0, 50.0]])
    assert decide_safety(many, 93) == 43.0
    assert decide_safety(np.array([40.0, 41.0, 50.0]), 2) == 50.0
    assert decide_safety(np.array([47.0, 41.0, 42.0]), 2) == 47.0
    assert decide_coverage(np.concatenate([[1.0], np.full(91, 0.95), [0.8, 0.2]]), 93) == 0.8


def test_a_variant_without_a_zone_decides() -> None:
    assert np.isnan(decide_coverage(np.array([3.0, np.nan, 2.0]), 0))
    assert decide_coverage(np.concatenate([[3.0, np.nan], np.full(92, 2.0)]), 93) == 2.0


def test_unusable_doses_are_refused() -> None:
    for arguments in ((-1.0, 10.0), (10.0, 0.0), (10.0, 10.0, -1.0), (float("nan"), 10.0)):
        with pytest.raises(InputError):
            Pulse(*arguments)
    with pytest.raises(InputError):
        Dose(())
