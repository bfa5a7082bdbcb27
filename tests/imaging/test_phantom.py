"""The torso phantom: analytic anatomy, storage, mirror, and the facts other tests rely on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vertherm.clinical.levels import Level
from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, StructureKind, on_grid
from vertherm.imaging.orient import axis_codes
from vertherm.imaging.phantom import torso_model, torso_phantom
from vertherm.imaging.shapes import Column, Ellipsoid, Slab, Tube
from vertherm.imaging.torso import PhantomParameters


@pytest.fixture(scope="module")
def lumbar() -> Anatomy:
    return torso_phantom("L3", 2.0)


def tissues(anatomy: Anatomy) -> dict[str, int]:
    codes, counts = np.unique(anatomy.tissue.data, return_counts=True)
    return {anatomy.tissue_names[int(c)]: int(n) for c, n in zip(codes, counts, strict=True)}


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (Ellipsoid((1.0, 2.0, -1.0), (9.0, 7.0, 5.0)), 4 / 3 * np.pi * 9 * 7 * 5),
        (Column((0.0, 0.0, 0.0), 9.0, 6.0, 8.0), np.pi * 9 * 6 * 16),
        (Slab((0.0, 1.0, 0.0), (4.0, 5.0, 6.0)), 8 * 4 * 5 * 6),
        (Tube(((0.0, 0.0, -6.0), (0.0, 0.0, 6.0)), (4.0, 4.0)), np.pi * 16 * 12 + 4 / 3 * np.pi * 64),
    ],
)
def test_solids_have_their_volume_and_lie_in_their_box(shape: object, volume: float) -> None:
    """Volume by counting 0.25 mm samples against the textbook formula, 1 % (count noise of about 100 000 samples)."""
    x, y, z = np.meshgrid(*[np.arange(-14, 14, 0.25) + 0.031] * 3, indexing="ij", sparse=True)
    inside = shape.distance(x, y, z) <= 0  # type: ignore[attr-defined]
    assert inside.sum() * 0.25**3 == pytest.approx(volume, rel=0.01)
    lower, upper = shape.box()  # type: ignore[attr-defined]
    where = np.argwhere(inside) * 0.25 - 14 + 0.031
    assert (where >= lower - 1e-9).all()
    assert (where <= upper + 1e-9).all()


def test_thin_shells_have_their_thickness() -> None:
    """Distance along the normal: on the axes of an ellipse of 25 x 18 mm the shell of 1.2 mm ends 1.2 mm below it."""
    body = Column((0.0, 0.0, 0.0), 25.0, 18.0, 13.5)
    for point, depth in (((23.8, 0, 0), 1.2), ((0, 16.8, 0), 1.2), ((0, 0, 12.3), 1.2)):
        assert float(body.distance(*map(np.asarray, map(float, point)))) == pytest.approx(-depth, abs=0.05)


def test_everything_a_plan_needs_is_there(lumbar: Anatomy) -> None:
    names = {s.name for s in lumbar.structures}
    assert {f"root {level} {side}" for level in ("L2", "L3", "L4") for side in ("left", "right")} <= names
    assert {
        "skin",
        "canal",
        "dural sac",
        "spinal cord",
        "cauda equina",
        "aorta",
        "inferior vena cava",
        "kidney left",
    } <= names
    assert {"kidney right", "colon", "small bowel", "cortex L3"} <= names
    assert set(lumbar.vertebrae) == set(lumbar.bodies or {}) == {Level.L2, Level.L3, Level.L4}
    assert set(tissues(lumbar)) >= {
        "air", "fat", "muscle", "skin", "cortical_bone", "cancellous_bone", "disc", "csf", "spinal_cord", "nerve",
        "dura", "blood", "kidney", "bowel", "lytic_tumour",
    }  # fmt: skip
    assert lumbar.synthetic
    assert any("SYNTHETIC lesion" in note for note in lumbar.notes)
    assert not any(s.derived for s in lumbar.structures)
    with pytest.raises(InputError, match="no structure of this name"):
        lumbar.structure("nothing")


def test_the_skin_closes_the_back_and_the_room_around_the_target_is_large(lumbar: Anatomy) -> None:
    """Every ray from the target backwards meets air behind skin; 70 mm of image before and beside the target."""
    tissue = lumbar.tissue.canonical().data
    for x in range(tissue.shape[0]):
        for z in range(0, tissue.shape[2], 7):
            column = tissue[x, :, z]
            first = np.flatnonzero(column != TISSUE_OF["air"])[0]
            assert first > 0
            assert column[first] == TISSUE_OF["skin"]
    low, high = lumbar.ct.grid.bounds()
    assert (high >= [70, 70, 55]).all()
    assert (low <= [-70, -70, -55]).all()


def test_a_control_ablation_fits_25_mm_from_canal_and_roots(lumbar: Anatomy) -> None:
    """Exists a point within the body of L3 at least 25 mm from canal, cord and every root, 10 mm inside the surface."""
    body = (lumbar.bodies or {})[Level.L3]
    point = np.array([0.0, 8.0, 0.0])
    assert float(body.sample(point, order=0)) == 1.0
    for s in lumbar.of_kind(StructureKind.canal, StructureKind.root, StructureKind.cord, StructureKind.dural_sac):
        points = s.mask.grid.world(np.argwhere(s.mask.data))
        assert np.linalg.norm(points - point, axis=1).min() >= 25.0, s.name


def test_cord_lies_in_csf_in_dura_in_fat() -> None:
    """Along y through the canal of L2 at z = +45 mm, by formula: fat, dura, csf, cord, csf, dura, fat."""
    model = torso_model("L3", kind=None)
    y = np.arange(-40, -17, 0.05)
    codes = model.tissue_at(np.stack([np.zeros_like(y), y, np.full_like(y, 45.0)], -1))
    order = codes[np.r_[True, np.diff(codes.astype(int)) != 0]]
    names = [name for code in order for name, c in TISSUE_OF.items() if c == code]
    start = names.index("fat")
    assert names[start : start + 7] == ["fat", "dura", "csf", "spinal_cord", "csf", "dura", "fat"]


def test_roots_run_free_of_bone_and_on_their_side(lumbar: Anatomy) -> None:
    grid = lumbar.ct.grid
    bone = np.zeros(grid.shape, bool)
    for vertebra in lumbar.vertebrae.values():
        bone |= on_grid(vertebra, grid)
    for s in lumbar.of_kind(StructureKind.root):
        mask = s.on(grid)
        assert (mask & bone).sum() <= 0.02 * mask.sum(), s.name
        x = s.mask.grid.world(np.argwhere(s.mask.data))[:, 0]
        assert (x > 0).all() if s.side == "right" else (x < 0).all()
        # It leaves below the pedicle of its own vertebra: most of it lies below the middle of that body.
        body = lumbar.bodies[s.level]  # type: ignore[index]
        middle = body.grid.world(np.argwhere(body.data)).mean(0)[2]
        points = s.mask.grid.world(np.argwhere(s.mask.data))
        assert (points[:, 2] < middle).mean() > 0.8


def test_aorta_left_cava_right(lumbar: Anatomy) -> None:
    for name, sign in (("aorta", -1), ("inferior vena cava", 1), ("kidney left", -1), ("kidney right", 1)):
        mask = lumbar.structure(name).mask
        assert np.sign(mask.grid.world(np.argwhere(mask.data)).mean(0)[0]) == sign


def test_voxels_are_the_formula_at_their_centres() -> None:
    model = torso_model("L3")
    anatomy = torso_phantom("L3", 4.0)
    np.testing.assert_array_equal(anatomy.tissue.data, model.tissue_at(anatomy.ct.grid.centres()))


@pytest.mark.parametrize("codes", ["PIR", "LPS", "SAL"])
def test_storage_order_gives_the_same_anatomy(codes: str) -> None:
    plain, turned = (
        torso_phantom(spacing_mm=4.0, noise_hu=10),
        torso_phantom(spacing_mm=4.0, noise_hu=10, orientation=codes),
    )
    assert axis_codes(turned.ct.grid) == codes
    np.testing.assert_array_equal(turned.ct.canonical().data, plain.ct.data)
    np.testing.assert_array_equal(turned.tissue.canonical().data, plain.tissue.data)
    for a, b in zip(plain.structures, turned.structures, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.on(plain.ct.grid), b.on(plain.ct.grid))


def test_an_oblique_grid_shows_the_same_anatomy() -> None:
    """Volumes by counting voxels of 1.5 mm agree within 4 % (aligned faces bias the count); centres within 0.3 mm."""
    plain, oblique = torso_phantom(spacing_mm=1.5), torso_phantom(spacing_mm=1.5, oblique_deg=20.0)
    assert np.count_nonzero(np.abs(oblique.ct.grid.affine[:3, :3]) > 1e-3) == 9
    for name in ("target", "L3"):
        a = plain.lesions[name] if name == "target" else plain.vertebrae[Level.L3]
        b = oblique.lesions[name] if name == "target" else oblique.vertebrae[Level.L3]
        assert b.data.sum() == pytest.approx(a.data.sum(), rel=0.04)
        centres = [v.grid.world(np.argwhere(v.data)).mean(0) for v in (a, b)]
        np.testing.assert_allclose(centres[0], centres[1], atol=0.3)
    points = np.random.default_rng(0).uniform([-60, -80, -45], [60, 60, 45], (4000, 3))
    same = plain.tissue.sample(points, order=0) == oblique.tissue.sample(points, order=0)
    assert same.mean() > 0.94


def test_the_mirror_swaps_sides_and_names() -> None:
    plain, mirrored = torso_phantom(spacing_mm=4.0), torso_phantom(spacing_mm=4.0, mirrored=True)
    np.testing.assert_array_equal(mirrored.tissue.data, plain.tissue.data[::-1])
    assert [s.name for s in mirrored.structures] != [s.name for s in plain.structures]
    for s in plain.structures:
        if not s.side:
            continue
        other = s.name.replace(s.side, "right" if s.side == "left" else "left")
        np.testing.assert_array_equal(mirrored.structure(other).on(plain.ct.grid), s.on(plain.ct.grid)[::-1])
    aorta = mirrored.structure("aorta").mask
    assert aorta.grid.world(np.argwhere(aorta.data)).mean(0)[0] > 0


def test_a_breached_wall_opens_the_cortex_towards_the_canal_but_not_the_dura() -> None:
    """Cortical voxels in the rear wall behind the lesion: some when intact, none in the middle of the breach."""
    point = np.array([2.0, -17.5, 0.0])
    for wall, tissue in (("intact", "cortical_bone"), ("breached", "lytic_tumour")):
        model = torso_model("L3", posterior_wall=wall)  # type: ignore[arg-type]
        assert model.tissue_at(point) == TISSUE_OF[tissue]
        assert model.tissue_at([0.0, -26.0, 0.0]) in (TISSUE_OF["csf"], TISSUE_OF["nerve"])
    anatomy = torso_phantom(spacing_mm=1.5, posterior_wall="breached")
    sac = anatomy.structure("dural sac").on(anatomy.ct.grid)
    assert not (on_grid(anatomy.lesions["target"], anatomy.ct.grid) & sac).any()


@pytest.mark.parametrize(("kind", "low", "high"), [("lytic", 40, 50), ("blastic", 600, 700), ("mixed", 200, 500)])
def test_lesion_hu_by_kind(kind: str, low: float, high: float) -> None:
    anatomy = torso_phantom(spacing_mm=2.0, kind=kind, lesion_radius_mm=9)
    inside = on_grid(anatomy.lesions["target"], anatomy.ct.grid)
    assert low < anatomy.ct.data[inside].mean() < high
    assert set(np.unique(anatomy.tissue.data[inside])) == {TISSUE_OF[f"{kind}_tumour"]}
    clean = torso_phantom(spacing_mm=4.0, kind=None)
    assert clean.lesions == {}


def test_the_chest_has_its_own_organs() -> None:
    chest = torso_phantom("T8", 2.5)
    assert {"pleura left", "pleura right", "lung left", "oesophagus", "root T7 left", "root T8 right"} <= {
        s.name for s in chest.structures
    }
    assert not chest.has("cauda equina")


def test_noise_is_deterministic_by_seed() -> None:
    a, b, c = (torso_phantom(spacing_mm=4.0, noise_hu=15, seed=seed).ct.data for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    clean = torso_phantom(spacing_mm=4.0).ct.data
    assert float((a - clean).std()) == pytest.approx(15, rel=0.02)


def test_the_description_is_closed_and_json_ready() -> None:
    text = json.loads(json.dumps(torso_model("L3").describe()))
    assert {p["name"] for p in text["parts"]} >= {"skin", "vertebra L3", "csf", "root L3 left", "target"}
    assert text["parameters"]["body_half"] == [25.0, 18.0, 13.5]


def test_a_grid_of_ones_own_and_smaller_bodies() -> None:
    grid = Grid.isotropic(np.array([-20.0, -20, -10]), np.array([20.0, 20, 10]), 2.0)
    assert torso_phantom(grid=grid).ct.grid.same_as(grid)
    small = torso_model("L3", kind=None, parameters=PhantomParameters(body_half=(20.0, 14.0, 11.0)))
    assert small.tissue_at([0.0, 17.0, 0.0]) != TISSUE_OF["cortical_bone"]


def test_what_does_not_exist_is_refused() -> None:
    for level in ("C5", "S1", "T12", "L6"):
        with pytest.raises(InputError, match="no phantom"):
            torso_model(level)
    with pytest.raises(InputError, match="outside the vertebral body"):
        torso_model("L3", lesion_offset_mm=(40.0, 0, 0))
    with pytest.raises(InputError, match="disagree"):
        torso_phantom("L3", 4.0, region="thoracic")
