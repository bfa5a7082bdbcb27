"""What a person is told before anything is computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import Anatomy
from vertherm.planning.checks import check_case, proximity_notes
from vertherm.planning.objects import Case
from vertherm.planning.phantom import constant_power, phantom_case

NEAR = constant_power(10.0, 60.0, tip_mm=(-6.0, -12.0, 0.0), entry_mm=(60.0, -12.0, 0.0))
FAR = constant_power(10.0, 60.0, tip_mm=(-4.0, 9.0, 0.0), entry_mm=(70.0, 9.0, 0.0))


@pytest.fixture(scope="module")
def case() -> Case:
    return phantom_case(spacing_mm=2.0)


def _with_metal(anatomy: Anatomy, point_mm: tuple[float, float, float]) -> Anatomy:
    affine = np.eye(4)
    affine[:3, 3] = point_mm
    return replace(anatomy, metal=Volume(np.ones((1, 1, 1), bool), Grid((1, 1, 1), affine)))


def test_near_the_canal_the_cortex_is_no_protection(case: Case) -> None:
    assert any("not protection" in note for note in proximity_notes(NEAR, case.anatomy))
    assert proximity_notes(FAR, case.anatomy) == []


def test_metal_is_said_with_its_distance(case: Case) -> None:
    notes = proximity_notes(FAR, _with_metal(case.anatomy, (-4.0, 9.0, 30.0)))
    assert any("30 mm" in note and "not to be trusted" in note for note in notes)


def test_needle_through_the_canal_needs_the_flag(case: Case) -> None:
    through = constant_power(1.0, 1.0, tip_mm=(0.0, 0.0, 0.0), entry_mm=(0.0, -80.0, 0.0))
    with pytest.raises(InputError, match="spinal canal") as caught:
        check_case(case, through)
    assert "reconstruction" in str(caught.value)
    _, pierced = check_case(case, replace(through, reconstruction=True))
    assert "canal" in pierced


def test_lesion_beside_its_level_is_called_out(case: Case) -> None:
    target = case.targets[0]
    affine = target.mask.grid.affine.copy()
    affine[0, 3] += 45.0
    moved = replace(target, mask=Volume(target.mask.data, Grid(target.mask.grid.shape, affine)))
    notes, _ = check_case(replace(case, targets=(moved,)), FAR)
    assert any("is the level right" in note for note in notes)


def test_lesion_and_tip_beyond_the_field_of_view_are_refused(case: Case) -> None:
    affine = np.eye(4)
    affine[:3, 3] = (-60.0, -60.0, -60.0)
    everywhere = Volume(np.ones((120, 120, 120), bool), Grid((120, 120, 120), affine))
    blind = replace(case, anatomy=replace(case.anatomy, no_data=everywhere))
    with pytest.raises(InputError, match="lesion lies outside"):
        check_case(blind, FAR)
    with pytest.raises(InputError, match="tip lies outside the image"):
        check_case(replace(blind, targets=()), FAR)
