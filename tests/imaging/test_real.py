"""Anatomy from the shared real scans: what must be found, where, and how fast."""

from __future__ import annotations

import functools
import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.shared_data import need
from vertherm.clinical.levels import Level
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import TISSUE_OF, Anatomy, StructureKind, on_grid
from vertherm.imaging.build import build_anatomy
from vertherm.imaging.orient import reoriented
from vertherm.imaging.read import read_ct, read_labels

pytestmark = pytest.mark.data


@functools.cache
def vertebra() -> tuple[Anatomy, float]:
    ct = read_ct(need("tptbox_vertebra/sub-ct_label-22_ct.nii.gz"))
    labels = [
        (read_labels(need(f"tptbox_vertebra/sub-ct_seg-{name}_label-22_msk.nii.gz"), ct), words)
        for name, words in (("vert", "verse"), ("subreg", "tptbox-subregion"))
    ]
    start = time.process_time()
    return build_anatomy(ct, labels), time.process_time() - start


@functools.cache
def lumbar() -> tuple[Anatomy, float]:
    ct = read_ct(need("totalseg_lumbar/ct.nii.gz"))
    labels = [
        (read_labels(need("totalseg_lumbar/seg_total117_fast.nii.gz"), ct), "totalsegmentator"),
        (read_labels(need("totalseg_lumbar/seg_vertebrae_body_disc.nii.gz"), ct), "totalsegmentator-vertebrae-body"),
    ]
    start = time.process_time()
    return build_anatomy(ct, labels), time.process_time() - start


def points(mask: Volume) -> NDArray[np.float64]:
    return mask.grid.world(np.argwhere(mask.data))


def test_the_vertebra_without_skin() -> None:
    anatomy, seconds = vertebra()
    assert seconds < 5.0
    assert set(anatomy.vertebrae) == {Level.L2, Level.L3, Level.L4}
    assert {s.name for s in anatomy.of_kind(StructureKind.root)} >= {
        f"root {level} {side}" for level in ("L2", "L3") for side in ("left", "right")
    }
    assert not anatomy.has("skin")
    assert any("skin outside the image" in note for note in anatomy.notes)
    assert any("canal derived" in note for note in anatomy.notes)
    assert anatomy.metal is None
    assert not anatomy.synthetic


def test_the_derived_canal_of_the_vertebra_is_a_canal() -> None:
    """Lumbar canals are 100-400 mm2 in section; it must run through the whole image, free of bone, without a jump."""
    anatomy, _ = vertebra()
    canal = anatomy.structure("canal")
    grid = anatomy.ct.canonical().grid
    mask = canal.on(grid)
    area = mask.sum(axis=(0, 1)) * grid.spacing_mm[0] * grid.spacing_mm[1]
    assert area.min() > 150
    assert area.max() < 450
    bone = np.any([on_grid(v, grid) for v in anatomy.vertebrae.values()], axis=0)
    assert not (mask & bone).any()
    centres = np.array([np.argwhere(mask[:, :, k]).mean(0) * grid.spacing_mm[:2] for k in range(mask.shape[2])])
    assert np.linalg.norm(np.diff(centres, axis=0), axis=1).max() < 3.0


def test_the_roots_of_the_vertebra_leave_through_the_foramina() -> None:
    """L3's roots: beside the canal, between the pedicles of L3 and L4, on their side, in soft tissue."""
    anatomy, _ = vertebra()
    l3, l4 = (points((anatomy.bodies or {})[level]).mean(0) for level in (Level.L3, Level.L4))
    for side, sign in (("left", -1), ("right", 1)):
        root = points(anatomy.structure(f"root L3 {side}").mask)
        assert (np.sign(root[:, 0] - l3[0]) == sign).all()
        assert l4[2] - 10 < root[:, 2].mean() < l3[2]
        assert root[:, 1].mean() < l3[1]
        hu = anatomy.ct.sample(root)
        assert np.median(hu) < 150


def test_bodies_of_the_vertebra_are_the_labelled_ones() -> None:
    anatomy, _ = vertebra()
    body = (anatomy.bodies or {})[Level.L3]
    assert 25 < body.data.sum() * body.grid.voxel_volume_ml < 50
    whole = anatomy.vertebrae[Level.L3]
    assert (on_grid(body, anatomy.ct.grid) & ~on_grid(whole, anatomy.ct.grid)).sum() == 0
    assert points(body)[:, 1].mean() > points(whole)[:, 1].mean()


def test_storage_order_of_the_real_scan_cannot_matter() -> None:
    anatomy, _ = vertebra()
    ct = reoriented(anatomy.ct, "LAS")
    labels = []
    for name, words in (("vert", "verse"), ("subreg", "tptbox-subregion")):
        raw = read_labels(need(f"tptbox_vertebra/sub-ct_seg-{name}_label-22_msk.nii.gz"), anatomy.ct)
        labels.append((reoriented(raw, "LAS"), words))
    other = build_anatomy(ct, labels)
    np.testing.assert_array_equal(other.tissue.canonical().data, anatomy.tissue.canonical().data)
    assert [s.name for s in other.structures] == [s.name for s in anatomy.structures]


def test_the_lumbar_scan_has_everything() -> None:
    anatomy, seconds = lumbar()
    assert seconds < 15.0
    names = {s.name for s in anatomy.structures}
    roots = {
        f"root {level} {side}" for level in ("T12", "L1", "L2", "L3", "L4", "L5", "S1") for side in ("left", "right")
    }
    assert roots <= names
    assert {"skin", "canal", "dural sac", "aorta", "inferior vena cava", "kidney left", "colon", "duodenum"} <= names
    assert {"small bowel", "iliac artery left", "iliac vein right", "sacrum", "rib 12 left"} <= names
    assert any("metal in the field" in note for note in anatomy.notes)
    assert anatomy.metal is not None


def test_sides_of_the_lumbar_scan_agree_with_its_own_labels() -> None:
    """Liver right, spleen left; every derived root on the side of the kidney of that name."""
    anatomy, _ = lumbar()
    middle = points(anatomy.structure("canal").mask)[:, 0].mean()
    assert points(anatomy.structure("liver").mask)[:, 0].mean() > middle
    assert points(anatomy.structure("spleen").mask)[:, 0].mean() < middle
    for root in anatomy.of_kind(StructureKind.root):
        kidney = points(anatomy.structure(f"kidney {root.side}").mask)[:, 0].mean()
        assert np.sign(points(root.mask)[:, 0].mean() - middle) == np.sign(kidney - middle), root.name


def test_roots_of_the_lumbar_scan_descend_in_order_and_lie_in_soft_tissue() -> None:
    anatomy, _ = lumbar()
    for side in ("left", "right"):
        roots = [anatomy.structure(f"root {level} {side}") for level in ("T12", "L1", "L2", "L3", "L4", "L5", "S1")]
        heights = [points(root.mask)[:, 2].mean() for root in roots]
        assert all(upper > lower + 10 for upper, lower in itertools.pairwise(heights))
        for root in roots[:-1]:
            assert np.median(anatomy.ct.sample(points(root.mask))) < 150, root.name


def test_left_and_right_roots_of_a_level_leave_at_one_height() -> None:
    """Foramina of a straight spine lie side by side: within 5 mm; a facet taken for a pedicle costs 10 mm."""
    anatomy, _ = lumbar()
    for level in ("T12", "L1", "L2", "L3", "L4", "L5", "S1"):
        left, right = (
            points(anatomy.structure(f"root {level} {side}").mask)[:, 2].mean() for side in ("left", "right")
        )
        assert abs(left - right) < 5.0, level


def test_canal_and_sac_of_the_lumbar_scan() -> None:
    """The canal holds nearly all of the labelled sac (label 79), little bone, and is not much larger."""
    anatomy, _ = lumbar()
    grid = anatomy.ct.grid
    canal, sac = anatomy.structure("canal").on(grid), anatomy.structure("dural sac").on(grid)
    assert (canal & sac).sum() > 0.9 * sac.sum()
    assert sac.sum() < canal.sum() < 2.0 * sac.sum()
    cord = anatomy.structure("spinal cord").on(grid)
    assert (cord & ~sac).sum() == 0
    l1, l2 = anatomy.vertebrae[Level.L1], anatomy.vertebrae[Level.L2]
    assert points(anatomy.structure("spinal cord").mask)[:, 2].min() == pytest.approx(points(l1)[:, 2].min(), abs=3.1)
    assert not (cord & (grid.centres()[..., 2] < points(l2)[:, 2].min())).any()


def test_skin_of_the_lumbar_scan_is_one_layer_without_table_and_border() -> None:
    anatomy, _ = lumbar()
    grid = anatomy.ct.grid
    skin = anatomy.structure("skin").on(grid)
    tissue = anatomy.tissue.data
    assert skin.any(axis=(0, 1)).all()
    # Behind every vertebra: going backwards from the spine the first skin voxel is followed by air only.
    x = int(np.rint(grid.index(points(anatomy.structure("canal").mask).mean(0))[0]))
    for z in range(0, tissue.shape[2], 5):
        column = tissue[x, :, z]
        body = np.flatnonzero(column != TISSUE_OF["air"])
        assert column[body[0]] == TISSUE_OF["skin"]
        assert column[body[-1]] == TISSUE_OF["skin"]
    outside = tissue == TISSUE_OF["air"]
    assert np.median(anatomy.ct.data[outside]) < -900
    assert not (skin & (anatomy.ct.data < -700)).any()


def test_tissues_of_the_lumbar_scan() -> None:
    anatomy, _ = lumbar()
    hu = {
        name: float(np.median(anatomy.ct.data[anatomy.tissue.data == TISSUE_OF[name]]))
        for name in ("fat", "muscle", "vertebra", "csf", "blood", "kidney", "lung", "disc")
    }
    assert -130 < hu["fat"] < -70
    assert 20 < hu["muscle"] < 80
    assert hu["vertebra"] > 100
    assert -20 < hu["csf"] < 60
    assert hu["lung"] < -500
    assert 40 < hu["disc"] < 150
