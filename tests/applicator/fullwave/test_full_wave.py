"""``full_wave``: the whole chain from the axisymmetric solution to power on the heat grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertherm.applicator.antenna import load_antenna
from vertherm.applicator.fullwave.box import FineBox
from vertherm.applicator.fullwave.metal import antenna_cells, metal_radius_mm
from vertherm.applicator.fullwave.result import FullWaveResult, FullWaveStatus
from vertherm.applicator.fullwave.solve import FullWaveNumerics, full_wave
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.validation import full_wave_antennas as antennas

QUICK = FullWaveNumerics(spacing_mm=1.0, reach_mm=16.0)
GRID = Grid.isotropic(np.array([-18.0, -18.0, -5.0]), np.array([18.0, 18.0, 31.0]), 1.0)
CANAL_MM = (9.0, -5.0)


def beside_canal(grid: Grid = GRID, formulation: str = "contrast") -> FullWaveResult:
    """A canal of fluid along z at (9, -5) in bone, the oblique needle near the origin."""
    centres = grid.centres()
    canal = np.hypot(centres[..., 0] - CANAL_MM[0], centres[..., 1] - CANAL_MM[1]) < 4.5
    eps = np.where(canal, 66.2, 18.5).astype(np.float32)
    sigma = np.where(canal, 3.46, 0.805).astype(np.float32)
    antenna = load_antenna(antennas.ANTENNA)
    return full_wave(
        grid, antennas.NEEDLE, antenna, antennas.solved(antennas.BONE), antennas.BONE, eps, sigma,
        formulation=formulation, numerics=QUICK,
    )  # fmt: skip


@pytest.fixture(scope="module")
def canal() -> FullWaveResult:
    return beside_canal()


def test_same_medium_changes_nothing() -> None:
    # Patient equal to its medium: no contrast, q must be the axisymmetric density exactly.
    found = antennas.compare(antennas.LIVER, antennas.LIVER, "contrast", spacing_mm=1.0)
    assert found.result.status == FullWaveStatus.nothing_to_do
    assert found.result.converged
    assert np.array_equal(found.result.q, found.result.q_axisymmetric)


def test_contrast_reaches_the_layered_answer() -> None:
    # Solved in bone, put among tumour beyond 8 mm: must become the axisymmetric solution of that layered medium (own
    # finite elements). Before, the density is up to 88 % off. Goals of the design: 3 % field, 5 % density, here 1 mm
    # cells: 5 % of both; reflection within 0.02 of |0.197|, where it was 0.14.
    found = antennas.compare(antennas.BONE, antennas.LAYERED, "contrast", spacing_mm=1.0, reach_mm=28.0)
    assert found.field < 0.05
    assert found.shape < 0.05
    assert abs(found.result.feed.s11 - found.expected_s11) < 0.02
    assert abs(antennas.solved(antennas.BONE).s11 - found.expected_s11) > 0.05


def test_surface_equals_the_axisymmetric_field() -> None:
    # Equivalence surface in homogeneous liver, oblique needle, 1 mm cells, 5 to 13 mm: 3 % in |E| at 0.5 mm is the
    # goal and a row of the validation; at 1 mm 8 % (second order would allow 12 %).
    found = antennas.compare(
        antennas.LIVER, antennas.LIVER, "surface", spacing_mm=1.0, reach_mm=16.0, from_mm=5.0, to_mm=13.0
    )
    assert found.result.converged
    assert found.field < 0.08


@pytest.mark.parametrize("formulation", ["contrast", "surface"])
def test_places(formulation: str) -> None:
    # Absolute positions: fluid of high permittivity shields itself. The cells where the density falls below half have
    # their centre in the canal at (9, -5) mm, 1.5 mm nearer to the needle at most; x mirrored it stays about 1.
    result = beside_canal(formulation=formulation)
    centres = GRID.centres()
    ratio = result.q / np.maximum(result.q_axisymmetric, 1e-6)
    from_needle, _ = antennas.NEEDLE.cylindrical_mm(centres)
    middle = (np.abs(centres[..., 2] - 13) < 8) & (np.hypot(centres[..., 0], centres[..., 1]) < 14)
    low = centres[middle & (ratio < 0.5) & (from_needle > 3)]
    assert np.hypot(*(low[:, :2].mean(axis=0) - CANAL_MM)) < 1.5
    mirrored = middle & (np.hypot(centres[..., 0] + CANAL_MM[0], centres[..., 1] - CANAL_MM[1]) < 3)
    assert ratio[mirrored].mean() == pytest.approx(1.0, abs=0.12)


def test_two_formulations_agree(canal: FullWaveResult) -> None:
    # Currents in the canal, or a surface around the needle: independent sources, the same field. 1 mm cells, more
    # than 5 mm from the needle, before the amplitude at the feed is adjusted.
    other = beside_canal(formulation="surface")
    r, z = antennas.NEEDLE.cylindrical_mm(GRID.centres())
    chosen = canal.inside & (r > 5.0) & (r < 13.0) & (np.abs(z - 13.0) < 10)
    one = np.sqrt(canal.q[chosen] / canal.feed.amplitude**2)
    two = np.sqrt(other.q[chosen])
    assert np.linalg.norm(one - two) < 0.08 * np.linalg.norm(two)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_storage_order_does_not_matter(canal: FullWaveResult, order: tuple[int, int, int]) -> None:
    # The same cells stored flipped along one axis (a left-handed grid), and with permuted axes: same field at the same
    # places in the patient, to single precision of a march (1e-3).
    flipped = np.eye(4)
    flipped[:3, :3] = np.eye(3)[:, list(order)]
    flipped[:3, 0] *= -1
    affine = GRID.affine @ flipped
    lengths = [GRID.shape[a] for a in order]
    affine[:3, 3] = GRID.affine[:3, 3] - affine[:3, 0] * (lengths[0] - 1)
    grid = Grid((lengths[0], lengths[1], lengths[2]), affine)
    found = beside_canal(grid)
    back = np.transpose(found.q[::-1], np.argsort(order))
    assert np.allclose(np.transpose(grid.centres()[::-1], (*np.argsort(order), 3)), GRID.centres())
    assert np.linalg.norm(back - canal.q) < 1e-3 * np.linalg.norm(canal.q)


def test_power_is_accounted(canal: FullWaveResult) -> None:
    # absorbed_w is the sum over the cells it covers; outside them q is the axisymmetric density. Amplitude and power
    # belong together: 1 - |S11|^2 shared as before.
    cell = 1e-9
    assert canal.absorbed_w == pytest.approx(float(canal.q[canal.inside].sum(dtype=float)) * cell, rel=1e-5)
    assert np.array_equal(canal.q[~canal.inside], canal.q_axisymmetric[~canal.inside])
    assert 0.5 < canal.absorbed_w < 1.0
    assert canal.e2.shape == canal.fine_grid.shape


def test_metal_conducts_along_an_oblique_needle() -> None:
    # Metal edges must form one connected wire from the tip to where the needle leaves the block, or the staircase
    # would be a row of separate pieces.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    box = FineBox.around(GRID, np.array([0.0, 0.0, 13.0]), spacing_mm=0.5, reach_mm=12.0, layers=6)
    needle = Trajectory(np.array([60.0, 40.0, 90.0]), np.array([-3.0, -2.0, 6.0]))
    antenna = load_antenna(antennas.ANTENNA)
    metal = antenna_cells(box, needle, antenna, 2.45e9).metal
    number = np.arange(np.prod(box.nodes)).reshape(box.nodes)
    pairs = []
    for c in range(3):
        lower = np.argwhere(metal[c])
        upper = lower + np.eye(3, dtype=int)[c]
        pairs.append(np.stack([number[tuple(lower.T)], number[tuple(upper.T)]]))
    joined = np.concatenate(pairs, axis=1)
    used, small = np.unique(joined, return_inverse=True)
    a, b = small.reshape(2, -1)
    pieces, _ = connected_components(
        coo_matrix((np.ones(a.size), (a, b)), shape=(used.size, used.size)), directed=False
    )
    assert pieces == 1
    assert metal_radius_mm(antenna, np.array([10.5, 15.0, 25.0])) == pytest.approx([0.1016, 0.3935, 0.765], abs=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"formulation": "guess"}, "formulation"),
        ({"device": "abacus"}, "Unknown device"),
        ({"threads": 0}, "threads"),
        ({"eps": 0.5}, "unphysical"),
        ({"eps": float("nan")}, "not finite"),
        ({"numerics": replace(QUICK, reach_mm=1.0)}, "too small"),
        ({"numerics": replace(QUICK, spacing_mm=3.0)}, "do not fit"),
        ({"tip": 80.0}, "outside the heat grid"),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    eps = np.full(GRID.shape, change.pop("eps", 18.5), np.float32)
    shift = np.array([change.pop("tip", 0.0), 0.0, 0.0])
    needle = Trajectory(antennas.NEEDLE.entry_mm + shift, antennas.NEEDLE.tip_mm + shift)
    settings = {"numerics": QUICK, **change}
    with pytest.raises(InputError, match=message):
        full_wave(
            GRID, needle, load_antenna(antennas.ANTENNA), antennas.solved(antennas.BONE), antennas.BONE, eps,
            np.full(GRID.shape, 0.805, np.float32), **settings,
        )  # fmt: skip


def test_not_converged_is_said() -> None:
    centres = GRID.centres()
    eps = np.where(centres[..., 0] > 5, 60.0, 18.5).astype(np.float32)
    result = full_wave(
        GRID, antennas.NEEDLE, load_antenna(antennas.ANTENNA), antennas.solved(antennas.BONE), antennas.BONE, eps,
        np.full(GRID.shape, 0.805, np.float32), numerics=replace(QUICK, max_periods=4, tolerance=1e-7),
    )  # fmt: skip
    assert result.status == FullWaveStatus.not_converged
    assert not result.converged
    assert "not converged" in result.text
