"""Any input: finite, no overshoot, symmetric, conserving; wrong input: a clear message."""

from __future__ import annotations

import numpy as np
import pytest

from tests.heat.blocks import block, gaussian, layered
from vertherm.core.errors import InputError
from vertherm.core.warnings import ModelRangeWarning
from vertherm.heat.bioheat import BioheatSolver
from vertherm.materials.perfusion import perfusion_model


def test_round_source_gives_round_field() -> None:
    """Symmetric problem with boiling: the field equals its mirror images and axis permutations, to rounding.

    1e-3 K in wet tissue; 1e-2 K in dry tissue, whose heat content of 500-1000 K in float32 is rounded to 6e-5 K and
    whose temperature is six times as steep in it.
    """
    shape = (30, 30, 30)
    latent = np.full(shape, 1.5e9, np.float32)
    solver = BioheatSolver(block(shape, latent_j_m3=latent, perfusion_response=perfusion_model(2.0)))
    solver.advance(90.0, gaussian(shape, 25.0, 3e-3))
    t = solver.temperature_c
    assert t.max() > 95.0
    limit = np.where(t < 97.0, 1e-3, 1e-2)
    images = [np.flip(t, axis) for axis in range(3)] + [t.transpose(1, 0, 2), t.transpose(2, 1, 0)]
    for image in images:
        assert (np.abs(t - image) < limit).all()


def test_storage_order_does_not_matter() -> None:
    """A layered block with a sink, flipped and with axes exchanged: the same field to 1e-3 K."""
    shape = (18, 20, 22)
    rng = np.random.default_rng(5)
    k, c, w = rng.uniform(0.2, 0.6, shape), rng.uniform(1.5e6, 4e6, shape), rng.uniform(0, 9e3, shape)
    held = np.zeros(shape, bool)
    held[3:6, 4:9, 5:8] = True
    source = np.roll(gaussian(shape, 12.0, 3e-3), (2, -3, 1), (0, 1, 2))

    def run(turn) -> np.ndarray:
        solver = BioheatSolver(layered(turn(k), turn(c), turn(w), held=turn(held)))
        solver.advance(60.0, turn(source))
        return solver.temperature_c

    def flip(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(a, (0, 2)))

    def swap(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(a.transpose(2, 0, 1))

    plain = run(lambda a: a)
    assert np.abs(flip(plain) - run(flip)).max() < 1e-3
    assert np.abs(swap(plain) - run(swap)).max() < 1e-3


def test_conductivity_step_carries_the_flux() -> None:
    """Two slabs in series between 57 and 37 degC, k 0.6 and 0.15: steady interface temperature by resistances, 0.02 K.

    n cells a slab, wall = centre of the held cell: T_i = 57 - 20 R1 / (R1 + R2), R = length / k (series).
    """
    n = 10
    k = np.full((2 * n + 2, 1, 1), 0.6)
    k[n + 1 :] = 0.15
    held = np.zeros(k.shape, bool)
    held[0] = held[-1] = True
    temperature = np.full(k.shape, 37.0, np.float32)
    temperature[0] = 57.0
    problem = layered(k, np.full(k.shape, 2e6), np.zeros(k.shape), held=held, held_temperature_c=temperature,
                      boundary="insulated")  # fmt: skip
    solver = BioheatSolver(problem)
    solver.advance(6000.0)
    first, second = (n + 0.5) / 0.6, (n + 0.5) / 0.15
    interface = 57 - 20 * first / (first + second)
    flux = 20 / (first + second)
    t = solver.temperature_c[:, 0, 0]
    assert t[n] == pytest.approx(interface + flux * 0.5 / 0.6, abs=0.02)
    assert t[n + 1] == pytest.approx(interface - flux * 0.5 / 0.15, abs=0.02)


def test_slab_between_fixed_faces() -> None:
    """Uniform source q in a slab of width L whose faces are at 37 degC: T - 37 = q x (L - x) / 2k, steady, 0.5 % of it.

    A boundary half a cell off would change the middle of 20 cells by 5 %.
    """
    n, q, k, h = 20, 1e5, 0.5, 1e-3
    uniform = block((n, 3, 3), h, k=k, w=0.0)
    for faces_of_axis, axis in zip(uniform.conductivity_faces[1:], (1, 2), strict=True):
        faces_of_axis[(slice(None),) * axis + ([0, -1],)] = 0.0
    solver = BioheatSolver(uniform)
    solver.advance(6000.0, np.full((n, 3, 3), q, np.float32))
    x = (np.arange(n) + 0.5) * h
    expected = q * x * (n * h - x) / (2 * k)
    assert solver.temperature_c[:, 1, 1] - 37 == pytest.approx(expected, abs=0.005 * expected.max())
    assert solver.balance().boundary_j > 0
    assert solver.balance().error < 1e-4


def test_sink_takes_the_heat() -> None:
    """A vessel held at 37 degC in an insulated block with 0.5 W: once steady, all heat goes into it and is booked."""
    shape = (9, 9, 9)
    held = np.zeros(shape, bool)
    held[4, 4, :] = True
    solver = BioheatSolver(block(shape, w=0.0, held=held, boundary="insulated"))
    source = np.where(held, 0, 0.5 / (~held).sum() / 1e-9).astype(np.float32)
    solver.advance(3000.0, source)
    before = solver.balance().held_j
    solver.advance(100.0, source)
    energy = solver.balance()
    assert energy.held_j - before == pytest.approx(50.0, rel=1e-3)
    assert energy.error < 1e-4
    assert (solver.temperature_c[held] == 37.0).all()


EXTREMES = [
    {"k": 400.0, "c": 3.4e6},
    {"k": 1e6, "c": 1e-3},
    {"k": 1e-6, "c": 1e9},
    {"w": 1e9},
]


@pytest.mark.filterwarnings("ignore::vertherm.core.warnings.ModelRangeWarning")
@pytest.mark.parametrize("values", EXTREMES)
def test_extreme_tissue_neither_blows_up_nor_overshoots(values: dict[str, float]) -> None:
    """A cube of absurd material in tissue at 60 degC around blood at 37: all temperatures stay between 37 and 60."""
    shape = (14, 14, 14)
    k, c, w = (np.full(shape, v) for v in (0.5, 3.8e6, 2000.0))
    for field, key in ((k, "k"), (c, "c"), (w, "w")):
        field[4:9, 4:9, 4:9] = values.get(key, field[0, 0, 0])
    start = np.full(shape, 37.0, np.float32)
    start[5:12, 5:12, 5:12] = 60.0
    solver = BioheatSolver(layered(k, c, w, initial_c=start))
    solver.advance(5.0)
    solver.advance(60.0)
    assert np.isfinite(solver.temperature_c).all()
    assert solver.peak_c.max() < 60.1
    assert solver.temperature_c.min() > 36.9
    if "w" not in values:  # absurd flow: blood's heat is booked with the mean temperature of a step
        assert solver.balance().error < 0.005


def test_random_tissue_keeps_between_its_extremes() -> None:
    """Random k over three decades and C over two, random start, insulated: no cell leaves the range of the start."""
    rng = np.random.default_rng(11)
    shape = (12, 13, 14)
    k, c = 10 ** rng.uniform(-2, 1.3, shape), 10 ** rng.uniform(5, 7, shape)
    start = rng.uniform(20, 80, shape).astype(np.float32)
    solver = BioheatSolver(layered(k, c, np.zeros(shape), initial_c=start, boundary="insulated"))
    solver.advance(200.0)
    assert solver.peak_c.max() <= 80.0 + 0.3
    assert solver.temperature_c.min() >= 20.0 - 0.3
    assert abs(solver.balance().stored_j) < 1e-4 * float((c * 60).sum()) * 1e-9


def test_huge_source_is_finite() -> None:
    """1e12 W/m3 in one cell for a minute, with boiling: finite, conserved, hottest where the source is."""
    shape = (15, 15, 15)
    source = np.zeros(shape, np.float32)
    source[7, 7, 7] = 1e12
    latent = np.full(shape, 1.5e9, np.float32)
    solver = BioheatSolver(block(shape, latent_j_m3=latent))
    solver.advance(60.0, source)
    t = solver.temperature_c
    assert np.isfinite(t).all()
    assert np.argmax(t) == np.ravel_multi_index((7, 7, 7), shape)
    assert solver.balance().error < 0.005


def test_beyond_what_a_step_follows_is_said() -> None:
    """Slowed-down cells are counted and warned about."""
    with pytest.warns(ModelRangeWarning, match="slowed"):
        solver = BioheatSolver(block((4, 4, 4), k=1e6))
    assert solver.statistics.limited_cells == 64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"c": np.nan}, "usable number"),
        ({"c": -1.0}, "usable number"),
        ({"k": -0.1}, "usable number"),
        ({"w": np.inf}, "usable number"),
        ({"spacing_m": 0.0}, "cell size"),
        ({"initial_c": np.zeros((2, 2, 2), np.float32)}, "does not fit"),
        ({"held": np.zeros((2, 2, 2), bool)}, "does not fit"),
    ],
)
def test_bad_input_is_refused(change: dict, words: str) -> None:
    """Each wrong property by name."""
    with pytest.raises(InputError, match=words):
        block((3, 3, 3), **change)


def test_bad_source_and_duration_are_refused() -> None:
    """NaN in the source, a wrong shape, a negative duration."""
    solver = BioheatSolver(block((3, 3, 3)))
    with pytest.raises(InputError, match="finite"):
        solver.advance(1.0, np.full((3, 3, 3), np.nan, np.float32))
    with pytest.raises(InputError, match="fit"):
        solver.advance(1.0, np.zeros((2, 3, 3), np.float32))
    with pytest.raises(InputError, match="duration"):
        solver.advance(-1.0)


def test_source_in_a_sink_is_counted_there() -> None:
    """Power set free in a held cell warms nothing and is booked to the sink."""
    shape = (5, 5, 5)
    held = np.zeros(shape, bool)
    held[2, 2, 2] = True
    source = np.zeros(shape, np.float32)
    source[2, 2, 2] = 1e9
    solver = BioheatSolver(block(shape, held=held))
    solver.advance(10.0, source)
    energy = solver.balance()
    assert solver.hottest_c == pytest.approx(37.0)
    assert energy.held_j == pytest.approx(10.0, rel=1e-6)
    assert energy.error < 1e-9
