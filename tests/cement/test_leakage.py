"""Where cement goes in a box-shaped vertebra: what opens a way, what a way costs, how samples are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.cement import boxes
from vertherm.cement.leakage import (
    FillShared,
    InjectionPlan,
    Needle,
    SampleFill,
    cannula_mpa,
    capacity_ml,
    onset_ml,
    run_sample,
    run_samples,
    volumes_ml,
)
from vertherm.cement.spread import FlowSample, flow_space
from vertherm.cement.vertebra import SITES, VertebraScene
from vertherm.core.errors import InputError

TIP = (25, 30, 19)


def plan(
    scene: VertebraScene, volume_ml: float = 6.0, tips: tuple[tuple[int, int, int], ...] = (TIP,)
) -> InjectionPlan:
    needles = tuple(Needle(scene.grid.world(tip), 1.0 / len(tips), 0.9, 125.0) for tip in tips)
    return InjectionPlan(needles, volume_ml, 2.0 / 60.0, 300.0, lambda _: 200.0)


def filled(scene: VertebraScene, sample: FlowSample, volume_ml: float = 6.0) -> SampleFill:
    return run_sample(sample, FillShared(scene, plan(scene, volume_ml)))


def leaked(found: SampleFill, site: str) -> float:
    return float(found.site_ml[SITES.index(site), -1])


def test_an_intact_shell_keeps_cement_in() -> None:
    """Even bone of porosity 0.86 in a shell that is 1e5 times tighter: 6 ml of 16 ml pores stay inside."""
    scene = boxes.scene()
    found = filled(scene, boxes.even())
    assert found.reached_ml == pytest.approx(6.0, rel=1e-3)
    assert found.site_ml[:, -1].sum() == pytest.approx(0.0, abs=1e-9)
    # What counts as inside is cells that are more than half full: the front's own half cells are missing.
    assert found.bone_ml[-1] == pytest.approx(6.0, rel=0.06)


def test_a_breach_of_the_posterior_wall_leads_into_the_canal() -> None:
    """The same lesion 8 mm farther back: its shell is gone, and cement is in the canal after a few millilitres.

    From a tip 6 mm in front of the wall 6 ml (radius 12 mm in pores of 0.86) must get there.
    """

    def after(lesion: tuple[int, int, int]) -> SampleFill:
        scene = boxes.with_lesion(boxes.scene(), lesion, 6.0)
        return run_sample(boxes.even(), FillShared(scene, plan(scene, 6.0, ((25, 24, 19),))))

    whole, breached = after((25, 29, 19)), after((25, 21, 19))
    assert leaked(whole, "canal") == 0.0
    assert leaked(breached, "canal") > 0.05
    onset = onset_ml(breached, plan(boxes.scene()))
    assert 0.1 < onset["canal"] < 6.0
    assert onset_ml(whole, plan(boxes.scene()))["canal"] == np.inf


def test_a_wide_vein_leads_out_and_a_narrow_one_does_not() -> None:
    """Poiseuille: r^4. A vein of 1.5 mm conducts 80000 times the one of 0.09 mm."""
    scene = boxes.scene()
    wide = filled(scene, replace(boxes.even(), basivertebral_radius_mm=1.5))
    narrow = filled(scene, replace(boxes.even(), basivertebral_radius_mm=0.05))
    assert leaked(wide, "canal") > 0.02
    assert leaked(narrow, "canal") == 0.0


def test_two_needles_side_by_side_both_give_their_cement() -> None:
    """The second opening lies in the first one's cement: it comes out next to it, and nothing is lost."""
    scene = boxes.scene()
    both = plan(scene, 2.0, ((25, 30, 19), (26, 30, 19)))
    found = run_sample(boxes.even(), FillShared(scene, both))
    assert found.reached_ml == pytest.approx(2.0, rel=1e-3)
    assert found.bone_ml[-1] + found.site_ml[:, -1].sum() == pytest.approx(2.0, rel=0.06)


def test_mirrored_anatomy_gives_mirrored_cement() -> None:
    scene = boxes.scene()
    tip = (20, 30, 19)
    mirrored = (boxes.SHAPE[0] - 1 - tip[0], *tip[1:])
    one = run_sample(boxes.even(), FillShared(scene, plan(scene, 4.0, (tip,))))
    other = run_sample(boxes.even(), FillShared(scene, plan(scene, 4.0, (mirrored,))))
    differing = np.isfinite(one.arrival_ml) != np.isfinite(other.arrival_ml[::-1])
    # Openings are cells near the tip; rounding may order a few cells of the front otherwise.
    assert differing.sum() <= 0.01 * np.isfinite(one.arrival_ml).sum()


def test_two_needles_fill_one_after_the_other() -> None:
    scene = boxes.scene()
    tips = ((17, 30, 19), (34, 30, 19))
    found = run_sample(boxes.even(), FillShared(scene, plan(scene, 4.0, tips)))
    assert found.reached_ml == pytest.approx(4.0, rel=1e-3)
    assert found.arrival_ml[tips[0]] < 2.0 <= found.arrival_ml[tips[1]]
    assert np.isfinite(found.arrival_ml[:26]).sum() == pytest.approx(np.isfinite(found.arrival_ml[26:]).sum(), rel=0.05)


def test_what_is_full_stays_full_over_the_volume() -> None:
    scene = boxes.with_lesion(boxes.scene(), (25, 21, 19), 6.0)
    found = run_sample(boxes.even(), FillShared(scene, plan(scene, 6.0, ((25, 24, 19),))))
    assert found.site_ml[:, -1].sum() > 0
    assert (np.diff(found.site_ml, axis=1) >= 0).all()
    assert (np.diff(found.bone_ml) >= 0).all()
    at = volumes_ml(plan(boxes.scene()))
    held = found.bone_ml + found.site_ml.sum(axis=0)
    assert (held <= at + 0.05 * at[-1]).all()


def test_the_pump_pays_for_the_cannula() -> None:
    """8 mu L Q / (pi r^4): 200 Pa s, 125 mm, 1 ml in 30 s through 0.9 mm, 3.2 MPa."""
    expected = 8 * 200.0 * 0.125 * (1e-6 / 30.0) / (np.pi * 0.9e-3**4) * 1e-6
    assert cannula_mpa(200.0, 1.0 / 30.0, 0.9, 125.0) == pytest.approx(expected, rel=1e-9)
    found = filled(boxes.scene(), boxes.even())
    assert np.nanmin(found.pressure_mpa[1:]) > expected


def test_samples_do_not_depend_on_the_number_of_workers() -> None:
    scene = boxes.with_lesion(boxes.scene(), (25, 21, 19), 6.0)
    space = flow_space(density_error_mg_cm3=10.0, tip_error_mm=1.0, tip_source="a test")
    shared = FillShared(scene, plan(scene, 3.0))
    one = run_samples(shared, space, 4, seed=3, workers=1)
    again = run_samples(shared, space, 4, seed=3, workers=1)
    assert all((a.value.site_ml == b.value.site_ml).all() for a, b in zip(one, again, strict=True))
    assert len({float(o.value.bone_ml[-1]) for o in one}) > 1


def test_a_tip_outside_the_bone_is_refused() -> None:
    scene = boxes.scene()
    with pytest.raises(InputError, match="outside the bone"):
        run_sample(boxes.even(), FillShared(scene, plan(scene, 3.0, ((48, 44, 36),))))


def test_capacity_is_the_pore_space() -> None:
    """32 x 24 x 24 mm: the inner 30 x 22 x 22 with 150 mg/cm3, the shell with 400, each 1 - density / matrix."""
    scene = boxes.scene()
    inner = 30 * 22 * 22
    expected = (inner * (1 - 150 / 1100) + (32 * 24 * 24 - inner) * (1 - 400 / 1100)) / 1000.0
    assert capacity_ml(scene, boxes.even()) == pytest.approx(expected, rel=1e-4)
