"""Small, coarse predictions on the torso phantom that many tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from vertherm.heat.member import NOMINAL, Member
from vertherm.planning.case import Numerics
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import CaseResult, predict
from vertherm.planning.protocol import default_protocol

_phantom = cache(phantom_case)
COARSE = Numerics(spacing_mm=2.0, resolve_every_s=60.0)
TIP_MM, ENTRY_MM = (5.0, 8.0, 0.0), (25.0, -60.0, 0.0)


@pytest.fixture(scope="session")
def one_member() -> Callable[..., CaseResult]:
    """Predict with one member (the nominal one) on a coarse phantom; keyword arguments go to phantom and treatment."""

    def run(
        power_w: float = 15.0,
        time_s: float = 120.0,
        *,
        tip_mm: tuple[float, float, float] = TIP_MM,
        entry_mm: tuple[float, float, float] = ENTRY_MM,
        member: Member = NOMINAL,
        numerics: Numerics = COARSE,
        treatment: dict[str, Any] | None = None,
        **phantom: Any,
    ) -> CaseResult:
        case = _phantom(**{"spacing_mm": 1.5, **phantom})
        given = constant_power(power_w, time_s, tip_mm=tip_mm, entry_mm=entry_mm, **(treatment or {}))
        return predict(case, given, default_protocol(), numerics, workers=1, run_members=(member,))

    return run
