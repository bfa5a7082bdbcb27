"""Protection of a case: regions in the patient, what an assessment says of them, and what they change.

Torso phantom, L3, coarse cells. Layout: the antenna comes from the right and behind, its tip 17 mm from the root L3
right; a layer hugs the root on the antenna's side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.heat.dissection import medium_ml, sub_cells
from vertherm.heat.member import NOMINAL
from vertherm.heat.protection import NONE, Protection
from vertherm.imaging.nifti import write_nifti
from vertherm.imaging.phantom import in_orientation
from vertherm.materials.tissue import tissue
from vertherm.planning import full_wave
from vertherm.planning.case import Numerics, ProtectionEntry
from vertherm.planning.objects import Case, Treatment
from vertherm.planning.phantom import constant_power, phantom_case
from vertherm.planning.predict import predict
from vertherm.planning.protection.effect import default_members, effect_of_protection
from vertherm.planning.protection.protection import suggested, with_protection
from vertherm.planning.protection.regions import SPAN_MM, capsule, heated_points, layer_between, tissue_ml
from vertherm.planning.protocol import default_protocol
from vertherm.planning.setup import make_setup, skin_crossing
from vertherm.planning.uncertainty import Uncertainty

COARSE = Numerics(spacing_mm=2.0, resolve_every_s=60.0)
ROOT = "root L3 right"


@cache
def case() -> Case:
    return phantom_case(spacing_mm=1.5)


def treatment(power_w: float = 15.0, time_s: float = 120.0) -> Treatment:
    return constant_power(power_w, time_s, tip_mm=(5.0, 8.0, 0.0), entry_mm=(25.0, -60.0, 0.0))


def shielded(patient: Case | None = None, **entries: Any) -> Treatment:
    """The treatment with what a case file's [protection] says."""
    return with_protection(treatment(), ProtectionEntry.model_validate(entries), patient or case())


def layer(**more: Any) -> dict[str, Any]:
    return {"medium": "co2", "around": ROOT, "thickness_mm": 6.0, **more}


# regions


def test_layer_hugs_its_structure_on_the_side_of_the_needle() -> None:
    """By brute force over the voxels of the root: every point of the layer lies within 6 mm and one voxel's half
    diagonal of it, on the needle's side of its nearest point of the root (a voxel of leeway, more for 1 % whose
    nearest voxel is a tie), and not farther along than the span; the point 3.5 mm from the root's nearest voxel towards
    the needle is in it, the opposite one is not."""
    anatomy, needles = case().anatomy, treatment().trajectories
    region = layer_between(anatomy, ROOT, needles, 6.0)
    points = region.grid.world(np.argwhere(region.data))
    mask = anatomy.structure(ROOT).mask
    root = mask.grid.world(np.argwhere(mask.data))
    gap = np.linalg.norm(points[:, None] - root[None], axis=2)
    foot = root[gap.argmin(axis=1)]
    assert gap.min(axis=1).max() <= 6.0 + 1.5 * np.sqrt(3) / 2
    needle = heated_points(needles)

    def to_needle(at: np.ndarray) -> np.ndarray:
        return np.linalg.norm(at[:, None] - needle[None], axis=2).min(axis=1)

    aim = needle[np.linalg.norm(foot[:, None] - needle[None], axis=2).argmin(axis=1)] - foot
    aim /= np.linalg.norm(aim, axis=1, keepdims=True)
    ahead = np.einsum("ij,ij->i", points - foot, aim)
    assert np.mean(ahead > -1.5) > 0.99
    assert ahead.min() > -4.0
    assert to_needle(foot).max() <= to_needle(root).min() + SPAN_MM + 1.5
    nearest = root[to_needle(root).argmin()]
    towards = needle[np.linalg.norm(needle - nearest, axis=1).argmin()] - nearest
    towards /= np.linalg.norm(towards)
    assert region.sample(nearest + 3.5 * towards, order=0, outside=0.0) == 1.0
    assert region.sample(nearest - 4.5 * towards, order=0, outside=0.0) == 0.0


@pytest.mark.parametrize("codes", ["PIR", "LSA"])
def test_storage_order_of_the_labels_does_not_matter(codes: str) -> None:
    turned = in_orientation(case().anatomy, codes)
    needles = treatment().trajectories
    one, other = (layer_between(a, ROOT, needles, 6.0) for a in (case().anatomy, turned))
    assert one.grid.same_as(other.grid)
    assert np.array_equal(one.data, other.data)


def test_mirrored_patient_has_the_mirrored_layer() -> None:
    """The mirrored phantom's left root, with the needle mirrored: the same volume to 2 % (ties between voxels). Voxels
    of 2 mm, whose grid is its own mirror image."""
    plain, mirrored = phantom_case(spacing_mm=2.0), phantom_case(spacing_mm=2.0, mirrored=True)
    needle = constant_power(15.0, 60.0, tip_mm=(-5.0, 8.0, 0.0), entry_mm=(-25.0, -60.0, 0.0))
    here = layer_between(plain.anatomy, ROOT, treatment().trajectories, 6.0)
    there = layer_between(mirrored.anatomy, ROOT.replace("right", "left"), needle.trajectories, 6.0)
    assert np.count_nonzero(there.data) == pytest.approx(np.count_nonzero(here.data), rel=0.02)
    centre = [v.grid.world(np.argwhere(v.data)).mean(axis=0) for v in (here, there)]
    np.testing.assert_allclose(centre[0] * [-1, 1, 1], centre[1], atol=0.1)


def test_thicker_layers_hold_more_and_thinner_ones_lie_within() -> None:
    regions = [layer_between(case().anatomy, ROOT, treatment().trajectories, t) for t in (3.0, 6.0, 10.0)]
    counts = [np.count_nonzero(region.data) for region in regions]
    assert counts[0] < counts[1] < counts[2]
    inner = regions[0].grid.world(np.argwhere(regions[0].data))
    assert (regions[2].sample(inner, order=0, outside=0.0) == 1.0).mean() > 0.999


def test_ball_and_capsule_have_their_volumes() -> None:
    """4/3 pi r^3, and pi r^2 L more; 0.5 mm voxels at r = 8: 1 %."""
    ball = capsule([np.zeros(3)], 8.0)
    tube = capsule([np.zeros(3), np.array([0.0, 12.0, 16.0])], 8.0)
    volume = [np.count_nonzero(v.data) * v.grid.voxel_volume_ml for v in (ball, tube)]
    exact = 4 / 3 * np.pi * 0.512
    assert volume[0] == pytest.approx(exact, rel=0.01)
    assert volume[1] == pytest.approx(exact + np.pi * 0.64 * 2.0, rel=0.01)


def test_points_in_lps_are_the_same_points() -> None:
    ras = shielded(dissections=[{"medium": "saline", "points": [[30.0, -20.0, 5.0]], "radius_mm": 6.0}])
    lps = shielded(dissections=[{"medium": "saline", "points": [[-30.0, 20.0, 5.0]], "radius_mm": 6.0, "frame": "LPS"}])
    one, other = (t.protection.dissections[0].region for t in (ras, lps))
    assert np.array_equal(one.data, other.data)
    np.testing.assert_allclose(one.grid.affine, other.grid.affine)


# what a case file may say, and what is refused


def test_mask_with_its_label(tmp_path: Path) -> None:
    """The voxels of label 2 of a mask on the CT's grid become the region; another frame is refused."""
    ct = case().anatomy.ct
    data = np.zeros(ct.grid.shape, np.uint8)
    index = np.rint(ct.grid.index(np.array([32.0, -22.0, 5.0]))).astype(int)
    window = tuple(slice(i - 3, i + 4) for i in index)
    data[window] = 2
    write_nifti(Volume(data, ct.grid), tmp_path / "gas.nii.gz")
    entry = {"medium": "co2", "mask": tmp_path / "gas.nii.gz", "label": 2}
    region = shielded(dissections=[entry]).protection.dissections[0].region
    assert np.count_nonzero(region.data) == 343
    with pytest.raises(InputError, match="no soft tissue"):
        shielded(dissections=[{**entry, "label": 1}])
    affine = ct.grid.affine.copy()
    affine[:3, 3] += 900.0
    write_nifti(Volume(data, Grid(ct.grid.shape, affine)), tmp_path / "away.nii.gz")
    with pytest.raises(InputError, match="do not overlap"):
        shielded(dissections=[{**entry, "mask": tmp_path / "away.nii.gz"}])


def test_unknown_structure_lists_the_names() -> None:
    with pytest.raises(InputError, match="root L3 right"):
        shielded(dissections=[layer(around="root L9 middle")])
    with pytest.raises(InputError, match="no structure of this name"):
        shielded(dissections=[{"medium": "co2", "points": [[30, -20, 5]], "protects": "elbow"}])


def test_region_without_soft_tissue_is_refused() -> None:
    """Within the vertebral body there is bone alone; far outside there is nothing; both say what to check."""
    for point in ([0.0, 0.0, 0.0], [900.0, 0.0, 0.0]):
        with pytest.raises(InputError, match="no soft tissue") as error:
            shielded(dissections=[{"medium": "co2", "points": [point], "radius_mm": 4.0}])
        assert "dissection" in str(error.value)


def test_csf_may_be_irrigated_but_not_dissected() -> None:
    sac = next(s for s in case().anatomy.structures if s.name == "dural sac").mask
    middle = sac.grid.world(np.argwhere(sac.data)).mean(axis=0) + np.array([4.0, 1.0, 0.0])
    assert case().anatomy.tissue_at(middle) == "csf"
    ball = {"points": [middle.tolist()], "radius_mm": 0.8}
    assert shielded(irrigations=[{**ball, "flow_ml_min": 5}]).protection.irrigations
    with pytest.raises(InputError, match="no soft tissue"):
        shielded(dissections=[{**ball, "medium": "saline"}])


def test_skin_is_cooled_where_the_needle_crosses_it() -> None:
    """Left-out centre: the crossing of the first needle. Without skin in the image, or far from it: refused."""
    patch = shielded(skin_cooling=[{}]).protection.skin_cooling[0]
    crossing = skin_crossing(case().anatomy, treatment().trajectory)
    assert crossing is not None
    np.testing.assert_allclose(patch.centre_mm, crossing)
    with pytest.raises(InputError, match="does not touch the skin"):
        shielded(skin_cooling=[{"centre": [0.0, 0.0, 0.0], "radius_mm": 10.0}])
    anatomy = case().anatomy
    keep = np.argwhere(anatomy.tissue.data != 0)
    assert keep.size
    inside = replace(
        anatomy, tissue=anatomy.tissue.with_data(np.where(anatomy.tissue.data == 0, 2, anatomy.tissue.data))
    )
    with pytest.raises(InputError, match="does not cross the skin"):
        shielded(replace(case(), anatomy=inside), skin_cooling=[{}])


@pytest.mark.parametrize("kind", ["co2", "saline", "dextrose", "irrigation", "skin cooling"])
def test_suggestions_protect(kind: str) -> None:
    found = suggested(kind, case().anatomy, ROOT, treatment().trajectories)
    assert found
    assert len(found.dissections) == (kind in ("co2", "saline", "dextrose"))
    for one in (*found.dissections, *found.irrigations):
        assert tissue_ml(one.region, case().anatomy, ("fat", "muscle", "soft_tissue")) > 0.5


def test_unknown_suggestion_is_refused() -> None:
    with pytest.raises(InputError, match="no such protection"):
        suggested("foil", case().anatomy, ROOT, treatment().trajectories)


# on the heat grid


@cache
def gas_setup() -> Any:
    return make_setup(case(), shielded(dissections=[layer()]), default_protocol(), COARSE)


def test_gas_lies_in_soft_tissue_on_sub_cells_and_bone_and_nerve_stay() -> None:
    setup, bare = gas_setup(), make_setup(case(), treatment(), default_protocol(), COARSE)
    assert setup.protection.dissections
    gas = setup.tissue.holds(("co2",))
    assert gas.any()
    was = {bare.tissue.palette[i].name for i in np.unique(bare.tissue.index[gas])}
    assert was <= {"fat", "muscle", "soft_tissue"}
    assert np.array_equal(setup.tissue.index[~gas], bare.tissue.index[~gas])
    volume = medium_ml(setup.protection.dissections[0], setup.tissue)
    assert volume == pytest.approx(np.count_nonzero(gas) * 1e-3, rel=1e-6), "sub-cells of 1 mm"
    assert 0.5 < volume < 4.0
    shares = setup.tissue.fraction(["co2"])
    assert ((shares > 0.1) & (shares < 0.9)).any(), "finer than the cells"
    filled = np.flatnonzero(shares.reshape(-1) > 0.999)
    assert not any(np.isin(filled, cells).any() for cells in setup.probes.values())


def test_samples_keep_the_gas_where_it_is_and_vary_its_conduction() -> None:
    """Labels move, gas does not; its conductivity takes the factor that was drawn; no gas, no such parameter."""
    uncertainty = Uncertainty.of(gas_setup(), case().anatomy)
    name = "conductivity of a layer of gas"
    assert name in uncertainty.space.names
    shift = {n: uncertainty.space.parameters[uncertainty.space.names.index(n)].distribution.high
             for n in uncertainty.space.names if "label" in n}  # fmt: skip
    drawn = uncertainty.draw(gas_setup(), {name: 4.0, **shift})
    assert np.array_equal(drawn.setup.tissue.index, gas_setup().tissue.index)
    assert drawn.setup.protection is gas_setup().protection
    k = next(p.conductivity for p in drawn.setup.tissue.palette if p.name == "co2")
    assert k == pytest.approx(4.0 * tissue("co2").conductivity)
    bare = make_setup(case(), treatment(), default_protocol(), COARSE)
    assert name not in Uncertainty.of(bare, case().anatomy).space.names


def test_the_full_wave_sees_the_gas(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the three-dimensional solve is given: permittivity 1.0009 and no conductivity on every painted sub-cell."""
    seen: dict[str, Any] = {}

    class EnoughError(Exception):
        pass

    def stand_in(grid: Grid, *_: Any, **__: Any) -> None:
        seen.update(grid=grid, eps=_[4], sigma=_[5])
        raise EnoughError

    monkeypatch.setattr(full_wave, "full_wave", stand_in)
    monkeypatch.setattr(full_wave, "_source", lambda *_: None)
    with pytest.raises(EnoughError):
        full_wave.with_full_wave(gas_setup(), spacing_mm=1.0)
    gas = gas_setup().tissue.holds(("co2",))
    assert seen["eps"].shape == gas.shape
    np.testing.assert_allclose(seen["eps"][gas], 1.0009, rtol=1e-6)
    assert (seen["sigma"][gas] == 0.0).all()


def test_the_axisymmetric_field_sees_the_gas() -> None:
    from vertherm.heat.emission import _ports

    gas = np.flatnonzero(gas_setup().tissue.fraction(["co2"]).reshape(-1) > 0.999)
    assert gas.size
    (port,) = _ports(gas_setup())
    assert (port.sigma.reshape(-1)[gas] == 0.0).all()


# what an assessment says


@cache
def assessed() -> Any:
    """Gas before the root, cold saline flowing before the canal, a cold pack: 15 W for 120 s, nominal member."""
    given = shielded(
        dissections=[layer(name="gas")],
        irrigations=[{"name": "drip", "around": "canal", "thickness_mm": 4.0, "flow_ml_min": 30, "temperature_c": 4}],
        skin_cooling=[{"name": "pack", "temperature_c": 15.0}],
    )
    return predict(case(), given, default_protocol(), COARSE, workers=1, run_members=(NOMINAL,)).assessment


def test_heat_balances_with_all_of_it() -> None:
    (row,) = assessed().energy_balance
    assert row.error < 0.005
    assert row.irrigation_j > 500.0


def test_rows_notes_models_and_assumptions_tell_of_it() -> None:
    found = assessed()
    rows = {row.name: row for row in found.treatment.protection}
    assert rows["gas"].medium == "co2"
    assert rows["gas"].protects == ROOT
    assert 0.5 < rows["gas"].volume_ml < 4.0
    assert rows["drip"].flow_ml_min == 30.0
    assert rows["pack"].kind == "skin cooling"
    notes = " ".join(found.notes)
    for words in ("displace nothing", "stay where they were put", "mL of CO2 gas", "dry and still", "overstated"):
        assert words in notes, words
    assert "irrigation takes up heat" in found.models["protection"]
    shown = {row.name: row for row in found.assumptions}
    assert not shown["dissection: gas"].verified
    assert shown["dissection: gas"].certainty == "guess"
    assert shown["layer of gas: dry and still"].range == "0.018 - 0.18"
    assert shown["conductivity of saline"].certainty == "R"
    assert not any(name.startswith("perfusion of saline") for name in shown)


def test_cold_limits_act_on_irrigation_and_the_skins_own_temperature_counts() -> None:
    """4 degC at 30 mL/min: the canal reaches stop at 10 degC by cold. Under a pack of 15 degC the skin stays warmer."""
    rows = {row.name: row for row in assessed().structures}
    assert rows["canal"].status == "stop"
    assert rows["canal"].lowest_temperature_c < 10.0
    assert "by cooling" in rows["canal"].words
    assert 15.2 < rows["skin"].lowest_temperature_c < 25.0, "coolant is not skin"
    assert rows["skin"].status == "green"


def test_without_protection_nothing_is_said_of_it(one_member: Callable[..., Any]) -> None:
    found = one_member(5.0, 10.0).assessment
    assert found.treatment.protection == []
    assert "protection" not in found.models
    assert not any("Protection" in note for note in found.notes)
    assert found.energy_balance[0].irrigation_j == 0.0


# with and without


def test_effect_says_direction_and_size() -> None:
    """Flow before the canal: canal colder; gas alone: canal HOTTER (its hot side loses a way out). Words carry both."""
    given = shielded(
        dissections=[layer(name="gas")],
        irrigations=[{"name": "drip", "around": "canal", "thickness_mm": 4.0, "flow_ml_min": 10, "temperature_c": 25}],
    )
    effect = effect_of_protection(case(), given, default_protocol(), COARSE, members=(NOMINAL,), parts=True)
    rows = {row.name: row for row in effect.structures}
    canal = rows["canal"]
    assert canal.with_peak_c.high < canal.without_peak_c.high - 1.0
    assert canal.words.startswith(f"canal: cooler by {canal.without_peak_c.value - canal.with_peak_c.value:.1f} K")
    assert (canal.without_status, canal.with_status) == ("stop", "green")
    assert "A better status for" in effect.words
    parts = {part.part: {row.name: row for row in part.structures} for part in effect.parts}
    gas = parts["dissection gas"]["canal"]
    assert gas.with_peak_c.high > gas.without_peak_c.high + 0.5
    assert "HOTTER" in gas.words
    assert parts["irrigation drip"]["canal"].with_peak_c.high < 43.0
    assert effect.targets[0].with_coverage.value == pytest.approx(effect.targets[0].without_coverage.value, abs=0.02)
    assert effect.members == [NOMINAL.name]
    assert type(effect).model_validate_json(effect.model_dump_json()) == effect


def test_effect_needs_protection() -> None:
    with pytest.raises(InputError, match="no protection"):
        effect_of_protection(case(), replace(treatment(), protection=NONE), default_protocol(), COARSE)
    assert not Protection()


def test_default_members_are_the_nominal_and_two_extremes() -> None:
    nominal, worst, least = default_members(default_protocol())
    assert nominal == NOMINAL
    assert (worst.power, worst.cooling, worst.sar_factor) == ("net", "none", 3.0)
    assert (least.cooling, least.sar_factor) == ("full", 1.0)


def test_regions_are_sampled_at_the_centres_of_sub_cells() -> None:
    region = capsule([np.array([30.3, -20.4, 5.2])], 6.0)
    inside = sub_cells(region, gas_setup().tissue)
    volume = np.count_nonzero(inside) * gas_setup().tissue.fine_grid.voxel_volume_ml
    assert volume == pytest.approx(4 / 3 * np.pi * 0.216, rel=0.03)
