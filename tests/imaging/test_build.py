"""Anatomy from a CT and labels: derived structures against the phantom's truth, storage, mirror, lesions, refusals."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, StructureKind, on_grid
from vertherm.imaging.build import add_lesion, build_anatomy
from vertherm.imaging.lesion import synthetic_lesion
from vertherm.imaging.orient import reoriented
from vertherm.imaging.phantom import torso_phantom
from vertherm.imaging.vocabulary import vocabulary

SPACING = 1.5


@functools.cache
def truth() -> Anatomy:
    return torso_phantom("L3", SPACING, kind=None, noise_hu=8.0)


def vertebra_labels(anatomy: Anatomy, first: int = 1) -> Volume:
    """Whole vertebrae by our own vocabulary (C1 = 1), nothing else."""
    codes = np.zeros(anatomy.ct.grid.shape, np.uint8)
    for level, mask in anatomy.vertebrae.items():
        codes[on_grid(mask, anatomy.ct.grid)] = level.order + first
    return Volume(codes, anatomy.ct.grid, "vertebrae of the phantom")


@functools.cache
def built() -> Anatomy:
    return build_anatomy(truth().ct, [(vertebra_labels(truth()), "vertherm")])


def points(mask: Volume) -> NDArray[np.float64]:
    return mask.grid.world(np.argwhere(mask.data))


def distances(a: Volume, b: Volume) -> NDArray[np.float64]:
    """From each voxel of ``a`` to the nearest of ``b``, mm."""
    grid = truth().ct.grid
    away = ndimage.distance_transform_edt(~on_grid(b, grid), sampling=grid.spacing_mm)
    return np.asarray(away[on_grid(a, grid)])


def test_the_canal_is_the_true_one_and_does_not_leak() -> None:
    """Rings are closed at the laminae only (about a third of the slices); between them it is carried on.

    Against the analytic canal: Dice over the whole length >= 0.85, and no voxel further than 5 mm outside it.
    """
    derived, true = built().structure("canal"), truth().structure("canal")
    a, b = derived.on(truth().ct.grid), true.on(truth().ct.grid)
    assert derived.derived
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) >= 0.85
    assert distances(derived.mask, true.mask).max() <= 5.0
    assert any(note.startswith("canal derived") for note in built().notes)


@pytest.mark.parametrize("name", [f"root {level} {side}" for level in ("L2", "L3", "L4") for side in ("left", "right")])
def test_derived_roots_follow_the_true_ones(name: str) -> None:
    """Same name, same side, and near: 90 % of the derived root within 6 mm of the true one, its middle within 4 mm.

    A rule, not a label: 6 mm is what a person would accept before drawing the root anew.
    """
    derived, true = built().structure(name), truth().structure(name)
    assert derived.derived
    away = distances(derived.mask, true.mask)
    assert np.percentile(away, 90) <= 6.0
    assert np.median(away) <= 4.0
    x = points(derived.mask)[:, 0]
    assert (x > 0).all() if derived.side == "right" else (x < 0).all()
    bone = np.zeros(truth().ct.grid.shape, bool)
    for vertebra in truth().vertebrae.values():
        bone |= on_grid(vertebra, truth().ct.grid)
    assert not (derived.on(truth().ct.grid) & bone).any()


def test_the_skin_is_the_layer_at_the_back() -> None:
    """Every voxel within 3 mm of the true skin, complete over the back, none along a border of the image."""
    skin = built().structure("skin")
    assert skin.derived
    mask = skin.on(truth().ct.grid)
    depth = points(skin.mask)
    outline = truth().structure("skin")
    assert distances(skin.mask, outline.mask).max() <= 3.0
    assert mask.any(axis=1).all()
    assert depth[:, 1].max() < -50  # only the back is in the image
    assert truth().ct.data[mask].mean() < 60


def test_a_table_that_touches_the_back_is_no_skin() -> None:
    """A plate of 3 mm under the back: a strip at the contact may stay (opening 4 mm + a voxel), not the whole."""
    x, y, _ = np.moveaxis(truth().ct.grid.centres(), -1, 0)
    plate = (y > -100.5) & (y < -97.0) & (np.abs(x) < 70) & (truth().tissue.data == TISSUE_OF["air"])
    data = np.where(plate, 100.0, truth().ct.data).astype(np.float32)
    anatomy = build_anatomy(truth().ct.with_data(data), [(vertebra_labels(truth()), "vertherm")])
    skin = anatomy.structure("skin")
    assert distances(skin.mask, truth().structure("skin").mask).max() <= 6.0
    assert (distances(truth().structure("skin").mask, skin.mask) <= 6.0).all()


def test_skin_outside_the_image_is_said_not_invented() -> None:
    inner = Grid.isotropic(np.array([-45.0, -60, -40]), np.array([45.0, 40, 40]), 2.0)
    crop = torso_phantom("L3", grid=inner, kind=None)
    anatomy = build_anatomy(crop.ct, [(vertebra_labels(crop), "vertherm")])
    assert not anatomy.has("skin")
    assert any("skin outside the image" in note for note in anatomy.notes)
    assert TISSUE_OF["air"] not in anatomy.tissue.data


def test_bodies_are_what_lies_before_the_canal() -> None:
    for level in (Level.L2, Level.L3, Level.L4):
        true = on_grid((truth().bodies or {})[level], truth().ct.grid)
        derived = on_grid((built().bodies or {})[level], truth().ct.grid)
        assert 2 * (true & derived).sum() / (true.sum() + derived.sum()) > 0.93


def test_every_voxel_has_a_tissue_and_the_cortex_is_a_shell() -> None:
    anatomy = built()
    assert anatomy.tissue.data.shape == anatomy.ct.data.shape
    assert set(np.unique(anatomy.tissue.data)) <= set(anatomy.tissue_names)
    vertebra = on_grid(anatomy.vertebrae[Level.L3], anatomy.ct.grid)
    assert set(np.unique(anatomy.tissue.data[vertebra])) == {TISSUE_OF["vertebra"]}
    shell = anatomy.structure("cortex L3")
    assert shell.derived
    assert 0.2 < shell.mask.data.sum() / vertebra.sum() < 0.8
    agree = {}
    for name in ("air", "fat", "muscle"):
        here = truth().tissue.data == TISSUE_OF[name]
        agree[name] = (anatomy.tissue.data[here] == TISSUE_OF[name]).mean()
    assert agree["air"] > 0.99
    assert min(agree.values()) > 0.9


@pytest.mark.parametrize("codes", ["PIR", "LAS"])
def test_storage_order_gives_the_same_anatomy(codes: str) -> None:
    plain = torso_phantom("L3", 2.5, kind=None)
    labels = vertebra_labels(plain)
    a = build_anatomy(plain.ct, [(labels, "vertherm")])
    b = build_anatomy(reoriented(plain.ct, codes), [(reoriented(labels, codes), "vertherm")])
    np.testing.assert_array_equal(b.tissue.canonical().data, a.tissue.data)
    assert [s.name for s in a.structures] == [s.name for s in b.structures]
    for one, other in zip(a.structures, b.structures, strict=True):
        np.testing.assert_array_equal(one.on(a.ct.grid), other.on(a.ct.grid))
    assert a.notes == b.notes


def test_the_mirror_swaps_left_and_right_of_derived_roots() -> None:
    """The same voxels with x negated: each derived root is the mirror image of the other side's."""
    plain = torso_phantom("L3", 2.5, kind=None)
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    labels = vertebra_labels(plain)
    grid = Grid(plain.ct.grid.shape, flip @ plain.ct.grid.affine)
    # The phantom's spine is symmetric: take 3 mm off the lower rim of the left pedicle of L3.
    lopsided = labels.data.copy()
    x, y, z = np.moveaxis(plain.ct.grid.centres(), -1, 0)
    lopsided[(x < -10) & (y < -14) & (y > -36) & (z > -4) & (z < 1)] = 0
    a = build_anatomy(plain.ct, [(labels.with_data(lopsided), "vertherm")])
    b = build_anatomy(Volume(plain.ct.data, grid), [(Volume(lopsided, grid), "vertherm")])
    roots = a.of_kind(StructureKind.root)
    assert len(roots) >= 4
    for root in roots:
        other = b.structure(root.name.replace(root.side, "right" if root.side == "left" else "left"))
        np.testing.assert_allclose(points(other.mask).mean(0), points(root.mask).mean(0) * [-1, 1, 1], atol=1e-6)
        assert other.side != root.side


def test_labels_win_over_derived_structures() -> None:
    """Roots, canal and skin from our own vocabulary are taken as they are and not derived."""
    phantom = torso_phantom("L3", 2.5, kind=None)
    grid = phantom.ct.grid
    codes = vertebra_labels(phantom).data.copy()
    wanted = ("canal", "dural sac", "spinal cord", "skin", "root L2 left")
    codes_of = {code: e.name for code, e in vocabulary("vertherm").entries.items() if e.name in wanted}
    for code, name in codes_of.items():
        codes[phantom.structure(name).on(grid)] = code
    anatomy = build_anatomy(phantom.ct, [(Volume(codes, grid), "vertherm")])
    for name in ("canal", "skin", "root L2 left"):
        assert not anatomy.structure(name).derived
        assert sum(s.name == name for s in anatomy.structures) == 1
    assert anatomy.structure("root L2 right").derived
    assert anatomy.structure("root L2 left").level is Level.L2
    assert anatomy.tissue_at(np.array([0.0, -26.0, 45.0])) == "spinal_cord"
    assert anatomy.tissue_at(np.array([0.0, -20.8, -20.0])) == "csf"


def test_unknown_codes_are_noted_and_bad_labels_refused() -> None:
    phantom = torso_phantom("L3", 4.0, kind=None)
    labels = vertebra_labels(phantom)
    labels.data[0, 0, :3] = 250
    anatomy = build_anatomy(phantom.ct, [(labels, "vertherm")])
    assert any("label value 250 (3 voxels)" in note for note in anatomy.notes)
    with pytest.raises(InputError, match="vocabulary is unknown"):
        build_anatomy(phantom.ct, [(labels, "nonsense")])
    away = labels.grid.affine.copy()
    away[:3, 3] += 1000
    with pytest.raises(InputError, match="different frames"):
        build_anatomy(phantom.ct, [(Volume(labels.data, Grid(labels.grid.shape, away)), "vertherm")])
    with pytest.raises(InputError, match="rescale offset"):
        build_anatomy(phantom.ct.with_data(phantom.ct.data + 1024), [(labels, "vertherm")])


def test_upside_down_labels_are_noticed() -> None:
    phantom = torso_phantom("L3", 4.0, kind=None)
    labels = vertebra_labels(phantom)
    swapped = labels.data.copy()
    low, high = Level.L2.order + 1, Level.L4.order + 1
    swapped[labels.data == low], swapped[labels.data == high] = high, low
    anatomy = build_anatomy(phantom.ct, [(labels.with_data(swapped), "vertherm")])
    assert any("do not run from head to tail" in note for note in anatomy.notes)


def test_metal_and_missing_mr_are_said() -> None:
    phantom = torso_phantom("L3", 2.5, kind=None)
    data = phantom.ct.data.copy()
    at = np.rint(phantom.ct.grid.index([17.0, -20.0, 5.0])).astype(int)
    data[at[0] - 1 : at[0] + 2, at[1] - 6 : at[1] + 6, at[2]] = 3000
    ct = phantom.ct.with_data(data)
    anatomy = build_anatomy(ct, [(vertebra_labels(phantom), "vertherm")])
    assert anatomy.metal is not None
    assert any("metal in the field" in note for note in anatomy.notes)
    assert (anatomy.tissue.data == TISSUE_OF["metal"]).sum() == 36
    assert any("epidural extent not assessed" in note for note in anatomy.notes)
    with_mr = build_anatomy(phantom.ct, [(vertebra_labels(phantom), "vertherm")], mr=phantom.ct)
    assert with_mr.mr is phantom.ct
    assert with_mr.metal is None
    assert not any("epidural extent" in note for note in with_mr.notes)


def test_without_any_label_the_image_still_has_tissues() -> None:
    phantom = torso_phantom("L3", 4.0, kind=None)
    anatomy = build_anatomy(phantom.ct, [])
    assert anatomy.has("skin")
    assert not anatomy.has("canal")
    assert any("canal not derived" in note for note in anatomy.notes)


# --- lesions ---------------------------------------------------------------------------------------------------------


def lesion(kind: str = "lytic", **more: object) -> tuple[Volume, Volume]:
    anatomy = built()
    canal = anatomy.structure("canal").mask
    return synthetic_lesion(anatomy.ct, (anatomy.bodies or {})[Level.L3], kind, canal=canal, **more)  # type: ignore[arg-type]


def test_a_synthetic_lesion_is_deterministic_and_local() -> None:
    (a, mask_a), (b, mask_b), (c, _) = lesion(seed=4), lesion(seed=4), lesion(seed=5)
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(mask_a.data, mask_b.data)
    assert (a.data != c.data).any()
    changed = a.data != built().ct.data
    inside = on_grid(mask_a, a.grid)
    assert ndimage.distance_transform_edt(~inside)[changed].max() <= 4.0  # voxels: reach of the blur
    assert "SYNTHETIC" in a.source
    assert "SYNTHETIC" in mask_a.source


@pytest.mark.parametrize(
    ("kind", "mean", "spread"),
    [("lytic", (40, 60), (10, 40)), ("blastic", (550, 680), (60, 200)), ("mixed", (200, 500), (150, 330))],
)
def test_lesion_hu_match_the_rule(kind: str, mean: tuple[float, float], spread: tuple[float, float]) -> None:
    """Inside HU: lytic about 45, sd 18 plus the blurred rim; blastic about 650; mixed between, with a wide spread."""
    ct, mask = lesion(kind, radius_mm=9.0)
    inside = ndimage.binary_erosion(on_grid(mask, ct.grid))
    assert mean[0] < ct.data[inside].mean() < mean[1]
    assert spread[0] < ct.data[inside].std() < spread[1]


def test_the_intact_wall_stays_and_a_breach_opens_it() -> None:
    body = on_grid((built().bodies or {})[Level.L3], built().ct.grid)
    canal = built().structure("canal").on(built().ct.grid)
    _, intact = lesion(offset_mm=(0, -8.0, 0))
    _, open_ = lesion(offset_mm=(0, -8.0, 0), posterior_wall_breach=True)
    shell = body & ~ndimage.binary_erosion(body)
    assert not (on_grid(intact, built().ct.grid) & (canal | shell)).any()
    assert (on_grid(open_, built().ct.grid) & shell).any()
    reach = on_grid(open_, built().ct.grid) & canal
    assert reach.any()
    depth = ndimage.distance_transform_edt(~body, sampling=built().ct.grid.spacing_mm)
    assert depth[reach].max() <= 2.0 + 1e-6


def test_storage_order_of_the_ct_cannot_change_the_lesion() -> None:
    ct, mask = lesion(seed=2)
    body = (built().bodies or {})[Level.L3]
    turned_ct, turned = synthetic_lesion(reoriented(built().ct, "PIR"), body, "lytic", seed=2)
    np.testing.assert_allclose(turned_ct.canonical().data, ct.data, atol=1e-3)
    np.testing.assert_array_equal(on_grid(turned, ct.grid), on_grid(mask, ct.grid))


def test_lesions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="not in the vertebral body"):
        lesion(offset_mm=(0, 60.0, 0))
    with pytest.raises(InputError, match="not in the vertebral body"):
        lesion(centre_mm=(900.0, 0, 0))
    with pytest.raises(InputError, match="needs the canal"):
        synthetic_lesion(built().ct, (built().bodies or {})[Level.L3], posterior_wall_breach=True)


def test_adding_a_lesion_marks_the_anatomy() -> None:
    ct, mask = lesion()
    anatomy = add_lesion(built(), "target", mask, "lytic", ct=ct, synthetic=True)
    inside = on_grid(anatomy.lesions["target"], ct.grid)
    assert set(np.unique(anatomy.tissue.data[inside])) == {TISSUE_OF["lytic_tumour"]}
    assert anatomy.synthetic
    assert not built().synthetic
    assert anatomy.ct is ct
    assert any("SYNTHETIC lesion 'target'" in note for note in anatomy.notes)
    given = add_lesion(built(), "target", mask, "blastic")
    assert not given.synthetic
    assert TISSUE_OF["blastic_tumour"] in given.tissue.data


def test_a_lesion_in_the_canal_never_replaces_cord_or_roots() -> None:
    phantom = torso_phantom("L3", 2.0, kind=None)
    grid = phantom.ct.grid
    ball = np.linalg.norm(grid.centres() - [0, -22.0, 40.0], axis=-1) < 9
    anatomy = add_lesion(phantom, "epidural", Volume(ball, grid), "lytic")
    for name in ("spinal cord", "dural sac"):  # the sac's CSF too, where a label says that it is there
        inside = phantom.structure(name).on(grid)
        assert (inside & ball).any()
        assert (anatomy.tissue.data[inside] == phantom.tissue.data[inside]).all()
    assert (anatomy.tissue.data != phantom.tissue.data).any()
    assert any("overlaps the canal" in note for note in anatomy.notes)


@pytest.mark.parametrize(
    ("centre", "message"), [((0, -104.0, 0), "outside the body"), ((500.0, 0, 0), "empty within the CT|do not overlap")]
)
def test_lesions_outside_body_or_image_are_refused(centre: tuple[float, float, float], message: str) -> None:
    grid = Grid.isotropic(np.array(centre) - 6, np.array(centre) + 6, 1.0)
    ball = Volume(np.linalg.norm(grid.centres() - centre, axis=-1) < 3, grid)
    with pytest.raises(InputError, match=message):
        add_lesion(built(), "target", ball, "lytic")
    with pytest.raises(InputError, match="empty within the CT"):
        add_lesion(built(), "target", Volume(np.zeros(truth().ct.grid.shape, bool), truth().ct.grid), "lytic")
