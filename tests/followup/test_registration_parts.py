"""The parts of the registration against closed forms; no scans needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.core.errors import InputError
from vertherm.followup.registration_error import MotionError, motion_error, stiffness
from vertherm.followup.registration_images import cropped, image, no_data
from vertherm.followup.registration_refine import compare, refine, scattered
from vertherm.followup.registration_rigid import Rigid, rotation
from vertherm.followup.registration_shape import strain
from vertherm.geometry.volume import FloatArray, Grid, Volume

small = st.floats(-0.5, 0.5)


@given(st.tuples(small, small, small), st.tuples(small, small, small))
def test_a_small_motion_is_composed_and_its_matrix_agrees(turn: tuple[float, ...], shift: tuple[float, ...]) -> None:
    centre = np.array([3.0, -20.0, 40.0])
    motion = Rigid(rotation(np.array(turn)), 10 * np.array(shift), centre)
    points = np.random.default_rng(0).normal(0.0, 30.0, (20, 3))
    homogeneous = np.column_stack([points, np.ones(20)]) @ motion.matrix.T
    assert np.allclose(homogeneous[:, :3], motion(points))
    assert np.allclose(Rigid.of(motion.matrix, centre).shift_mm, motion.shift_mm)
    step = np.array([*shift, *np.roll(turn, 1)])
    inner = Rigid(rotation(step[3:]), step[:3], centre)
    assert np.allclose(motion.moved(step)(points), motion(inner(points)))


def test_what_is_not_rigid_is_refused() -> None:
    with pytest.raises(InputError, match="rigid"):
        Rigid.of(np.diag([-1.0, 1.0, 1.0, 1.0]), np.zeros(3))


def test_distance_of_two_motions_is_the_mean_over_a_ball() -> None:
    one = Rigid(rotation(np.array([0.1, 0.2, -0.1])), np.array([1.0, 2.0, 3.0]), np.zeros(3))
    two = Rigid(np.eye(3), np.zeros(3), np.zeros(3))
    rng = np.random.default_rng(0)
    points = rng.uniform(-30.0, 30.0, (200_000, 3))
    points = points[np.linalg.norm(points, axis=1) < 30.0]
    sampled = np.sqrt(((one(points) - two(points)) ** 2).sum(axis=1).mean())
    assert one.distance_mm(two) == pytest.approx(sampled, rel=0.01)


def test_the_95_percent_radius_of_a_known_covariance_holds_95_percent() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(0.0, 1.0, (6, 6)) * np.array([0.3, 0.2, 0.1, 0.01, 0.005, 0.008])[:, None]
    error = MotionError(root @ root.T, np.array([5.0, 0.0, 0.0]), 0.05, 10_000)
    points = rng.uniform(-25.0, 25.0, (6, 3))
    draws = rng.standard_normal((100_000, 6)) @ root.T
    for point, radius in zip(points, error.radius_mm(points), strict=True):
        moved = draws[:, :3] + np.cross(draws[:, 3:], point - error.centre_mm)
        moved += rng.normal(0.0, 0.05, moved.shape)
        assert (np.linalg.norm(moved, axis=1) < radius).mean() == pytest.approx(0.95, abs=0.012)


def _texture(points: FloatArray) -> FloatArray:
    """A smooth pattern whose value is known everywhere."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.asarray(200.0 * np.sin(x / 5.0 + y / 9.0) + 150.0 * np.cos(y / 6.0 - z / 8.0) + 150.0 * np.sin(z / 4.5))


def _taken(grid: Grid, back: FloatArray, noise: float, seed: int) -> Volume:
    points = grid.centres() @ back[:3, :3].T + back[:3, 3]
    data = 300.0 + _texture(points) + np.random.default_rng(seed).normal(0.0, noise, grid.shape)
    return Volume(data.astype(np.float32), grid)


def _setting(truth: Rigid, seed: int, noise: float) -> tuple[FloatArray, Volume, Volume]:
    grid = Grid.isotropic(np.full(3, -28.0), np.full(3, 28.0), 2.0)
    other = Grid.isotropic(np.full(3, -27.3), np.full(3, 27.1), 1.7)
    distance = Volume(np.linalg.norm(grid.centres(), axis=-1).astype(np.float32), grid)
    points = scattered(distance, 18.0, 2.0, np.random.default_rng((seed, 9)))
    first = _taken(grid, np.eye(4), noise, 2 * seed)
    return points, first, _taken(other, np.linalg.inv(truth.matrix), noise, 2 * seed + 1)


def test_a_known_pattern_is_found_and_the_stated_error_covers_the_true_one() -> None:
    """Closed-form images, nothing interpolated twice: the truth and the noise are exact."""
    truth = Rigid(rotation(np.array([0.03, -0.05, 0.04])), np.array([1.0, -1.5, 0.8]), np.zeros(3))
    at = np.array([[12.0, 0.0, 5.0], [-6.0, 9.0, -9.0], [0.0, 0.0, 0.0]])
    within, errors = [], []
    for seed in range(24):
        points, first, second = _setting(truth, seed, 60.0)
        fit = refine(points, image(first, 1.2), image(second, 1.2), Rigid(np.eye(3), np.zeros(3), np.zeros(3)))
        assert fit is not None
        assert fit.converged
        error = motion_error(fit, 2.0, "CT", np.random.default_rng(seed))
        assert error is not None
        apart = np.linalg.norm(fit.motion(at) - truth(at), axis=1)
        errors.append(apart)
        within.append(apart <= error.radius_mm(at))
    assert np.median(errors) < 0.2
    assert 0.85 <= np.mean(within) <= 1.0


def test_noise_does_not_make_a_fit_look_stiffer() -> None:
    """Stiffness of a fit with so much noise that the gradients' squares double, beside that without noise.

    The squares of the mean gradient say 1.9 times as much. Products of one image's gradient with the other's are right
    within what 20 noises leave open, 2 % standard deviation.
    """
    still = Rigid(np.eye(3), np.zeros(3), np.zeros(3))

    def shifts(noise: float, seed: int) -> tuple[float, float]:
        """Trace of the three shifts' stiffness, and of the mean gradient's squares, a point, over the gain.

        Noise in the planning scan lowers the gain, and with it how the scores answer.
        """
        points, first, second = _setting(still, seed, noise)
        fixed, moving = image(first, 1.2, None), image(second, 1.2, None)
        fit = compare(points, fixed.read(points), fixed.gradient(points), moving, still)
        assert fit is not None
        # Without residuals all weights are 1: they change with the noise as well.
        calm = replace(fit, residual=np.zeros_like(fit.residual))
        squares = (fit.rows[fit.used, :3] ** 2).sum()
        each = fit.gain * fit.used.sum()
        return float(np.trace(stiffness(calm)[:3, :3]) / each), float(squares / each)

    noisy, clean = (np.array([shifts(noise, seed) for seed in range(20)]) for noise in (400.0, 0.001))
    stiff, squares = (noisy / clean).mean(axis=0)
    assert squares > 1.7
    assert stiff == pytest.approx(1.0, abs=0.06)


def test_a_stretched_follow_up_shows_its_strain() -> None:
    points, first, _ = _setting(Rigid(np.eye(3), np.zeros(3), np.zeros(3)), 0, 5.0)
    longer = _taken(first.grid, np.diag([1.0, 1.0, 1.0 / 1.06, 1.0]), 5.0, 1)
    one = Rigid(np.eye(3), np.zeros(3), np.zeros(3))
    same, other = (refine(points, image(first, 1.2), image(v, 1.2), one) for v in (first, longer))
    assert same is not None
    assert other is not None
    assert np.abs(strain(same)).max() < 0.003
    assert strain(other)[-1] == pytest.approx(0.06, abs=0.015)


def test_derivatives_agree_with_differences() -> None:
    points, first, second = _setting(Rigid(np.eye(3), np.array([0.2, 0.0, 0.0]), np.zeros(3)), 3, 0.0)
    fixed, moving = image(first, 2.0), image(second, 2.0)
    model, slope = fixed.read(points), fixed.gradient(points)
    here = Rigid(np.eye(3), np.zeros(3), np.zeros(3))
    at = compare(points, model, slope, moving, here)
    assert at is not None
    for axis, step in ((0, 0.05), (2, 0.05), (4, 0.004)):
        small_step = np.zeros(6)
        small_step[axis] = step
        seen = [moving.read(here.moved(sign * small_step)(points)) for sign in (1.0, -1.0)]
        slope_seen = (seen[0] - seen[1]) / (2 * step)
        # rows hold minus the image's derivative; the mean of both images' slopes differs by interpolation only.
        assert np.corrcoef(-at.rows[:, axis], slope_seen)[0, 1] > 0.99
        assert np.linalg.norm(at.rows[:, axis]) == pytest.approx(np.linalg.norm(slope_seen), rel=0.05)


def test_cement_padding_and_missing_voxels_are_not_compared() -> None:
    grid = Grid((20, 20, 20), np.diag([1.0, 1.0, 1.0, 1.0]))
    data = np.full(grid.shape, 100.0, np.float32) + np.random.default_rng(0).normal(0, 5, grid.shape).astype(np.float32)
    data[8:11, 8:11, 8:11] = 2500.0
    data[0, 0, 0] = np.nan
    data[:, :4] = -1024.0
    read = image(Volume(data, grid), 1.0)
    covered, usable = read.inside(np.array([[9.0, 9.0, 9.0], [15.0, 15.0, 15.0], [10.0, 1.0, 10.0], [25.0, 9.0, 9.0]]))
    assert covered.tolist() == [True, True, False, False]
    assert usable.tolist() == [False, True, False, False]
    assert no_data(Volume(data, grid))[0, 0, 0]


def test_a_crop_keeps_its_world() -> None:
    affine = np.array([[0, -2.0, 0, 7], [1.5, 0, 0, -4], [0, 0, 3.0, 9], [0, 0, 0, 1]], float)
    volume = Volume(np.random.default_rng(0).random((30, 24, 16)), Grid((30, 24, 16), affine))
    part = cropped(volume, volume.grid.world((8, 8, 4)), volume.grid.world((16, 14, 10)))
    assert part is not None
    at = volume.grid.world((12, 10, 7))
    assert part.sample(at) == pytest.approx(volume.sample(at))
    assert cropped(volume, np.full(3, 900.0), np.full(3, 950.0)) is None
