"""Cement on top of an ablation, on the torso phantom: peaks and doses of both together."""

from __future__ import annotations

from functools import cache

import pytest

from vertherm.geometry.trajectory import Trajectory
from vertherm.planning.assessment import Status
from vertherm.planning.case import CaseFile, CementEntry, Numerics
from vertherm.planning.cement.ablation import DELAYS_S, ablation_of
from vertherm.planning.cement.document import DelayRow
from vertherm.planning.cement.heat import _delay_needed_s
from vertherm.planning.cement.needles import Cannula
from vertherm.planning.cement.result import CementResult
from vertherm.planning.cement.run import cement_case
from vertherm.planning.limits import SEVERITY
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.protocol import default_protocol

COARSE = Numerics(spacing_mm=2.5, resolve_every_s=60.0)


@cache
def predicted(with_ablation: bool) -> CementResult:
    case, protocol = phantom_case(spacing_mm=1.5), default_protocol()
    treatment = constant_power(20.0, 120.0, tip_mm=(5.0, 8.0, 0.0), entry_mm=(25.0, -60.0, 0.0))
    ablation = ablation_of(case, treatment, protocol, COARSE, [300.0]) if with_ablation else None
    target = case.targets[0]
    way = Trajectory(treatment.trajectory.entry_mm, target.centre_mm)
    cement = CementEntry(samples=10, strength=False, volume_ml={target.name: 4.0})
    entry = CaseFile.model_validate(
        {
            "images": {"ct": "unused.nii.gz"},
            "targets": [
                {"name": target.name, "level": "L3", "level_confirmed": True, "kind": "lytic", "mask": "unused"}
            ],
            "numerics": COARSE.model_dump(),
        }
    ).model_copy(update={"cement": cement})
    cannulas = {target.name: [Cannula("needle", "", way, 1.0)]}
    return cement_case(case, protocol, entry, cannulas, ablation=ablation, workers=1)


def test_both_heats_together_are_at_least_each_of_them() -> None:
    curing = predicted(True).document.targets[0].curing
    assert curing is not None
    assert curing.structures
    for row in curing.structures:
        assert row.ablation_peak_c is not None
        assert row.ablation_cem43_min is not None
        assert row.combined_peak_c.value >= max(row.ablation_peak_c, row.curing_peak_c.value) - 1e-4
        assert row.combined_cem43_min.value >= row.ablation_cem43_min - 1e-6
    assert curing.energy_error < 0.005
    assert all("canal" in course.temperature_c and len(course.temperature_c) <= 4 for course in curing.courses)


def test_every_delay_is_looked_at() -> None:
    """Peaks need not fall with the delay: from the injection on the antenna is out and conducts no heat."""
    curing = predicted(True).document.targets[0].curing
    assert curing is not None
    assert [row.delay_s for row in curing.delays] == sorted({*DELAYS_S, 300.0})
    chosen = next(row for row in curing.delays if row.delay_s == 300.0)
    worst = next(row for row in curing.structures if row.name == chosen.structure)
    assert chosen.combined_peak_c == pytest.approx(worst.combined_peak_c.value, abs=1e-4)
    assert chosen.status == max((row.status for row in curing.structures), key=SEVERITY.index)


@pytest.mark.parametrize(
    ("statuses", "needed"),
    [(("green", "green"), 0.0), (("stop", "green"), 120.0), (("green", "stop"), None), (("stop", "warn"), None)],
)
def test_a_delay_is_enough_only_if_every_longer_one_is(statuses: tuple[Status, ...], needed: float | None) -> None:
    rows = [
        DelayRow(delay_s=120.0 * n, structure="canal", combined_peak_c=40.0, combined_cem43_min=0.0, status=status)
        for n, status in enumerate(statuses)
    ]
    assert _delay_needed_s(rows) == needed


def test_cement_after_an_ablation_is_warmer_than_without() -> None:
    hot, cold = predicted(True).document.targets[0].curing, predicted(False).document.targets[0].curing
    assert hot is not None
    assert cold is not None
    after = {row.name: row for row in hot.structures}
    assert cold.delay_s is None
    assert all(row.ablation_peak_c is None for row in cold.structures)
    assert (
        after["canal"].combined_peak_c.value
        > next(r for r in cold.structures if r.name == "canal").combined_peak_c.value
    )


def test_ablated_lesion_is_marked_in_the_fill() -> None:
    """Cement meets coagulated tissue: the same draws fill more of the lesion, or as much."""
    hot, cold = predicted(True).document.targets[0].fill, predicted(False).document.targets[0].fill
    assert hot.lesion_share.value >= cold.lesion_share.value - 0.02
    assert hot.injected_ml == cold.injected_ml == pytest.approx(4.0)
