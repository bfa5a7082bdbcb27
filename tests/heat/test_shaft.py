"""The shaft: analytic fin, heat exchange with tissue, conservation, cooled against uncooled."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import k0, k1

from tests.heat.blocks import block, faces, gaussian
from vertherm.core.errors import InputError
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatProblem, BioheatSolver
from vertherm.heat.shaft import BoundShaft, ShaftFin

NEEDLE = Trajectory(np.array([0.0, 0.0, 100.0]), np.array([0.0, 0.0, 0.0]))


def centred(shape: tuple[int, int, int], spacing_mm: float = 1.0) -> Grid:
    """A grid whose middle is the origin."""
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * spacing_mm for n in shape]
    return Grid(shape, affine)


def test_fin_heated_at_its_end() -> None:
    """kA T'' = (film + g) (T - T_mix), ends insulated, heat Q enters at z = 0, tissue at 37 and coolant at 20 degC:

    T - T_mix = Q cosh(m (L - z)) / (kA m sinh(m L)), m^2 = (film + g) / kA, T_mix the weighted mean of coolant and
    tissue. 200 nodes of 0.5 mm, m step 0.05: 0.2 % ((m step)^2 / 24 of the exponent m z, up to 10).
    """
    fin = ShaftFin(NEEDLE, 1.0, 0.0, 100.0, 8e-5, film_w_mk=0.2, coolant_c=20.0, node_mm=0.5)
    n = fin.nodes_mm.size
    g, step, heat = np.full(n, 0.6), 0.5e-3, 0.5
    resolvent, load = fin.resolvent(g, np.zeros(n), step)
    source = np.zeros(n)
    source[0] = heat / step
    rise = resolvent @ (load + source + g * 37.0) - (0.2 * 20.0 + 0.6 * 37.0) / 0.8
    m, length, z = np.sqrt(0.8 / 8e-5), 0.1, fin.nodes_mm * 1e-3
    expected = heat * np.cosh(m * (length - z)) / (8e-5 * m * np.sinh(m * length))
    assert rise == pytest.approx(expected, rel=2e-3)


def test_fin_heated_along_its_length() -> None:
    """q cos(pi z / L) per metre: T - T_mix = q cos(pi z / L) / (kA (pi / L)^2 + film + g); 100 nodes, 0.1 %."""
    fin = ShaftFin(NEEDLE, 1.0, 0.0, 100.0, 8e-4, film_w_mk=0.2, coolant_c=20.0)
    n = fin.nodes_mm.size
    g = np.full(n, 0.6)
    resolvent, load = fin.resolvent(g, np.zeros(n), 1e-3)
    wave = 40.0 * np.cos(np.pi * fin.nodes_mm / 100.0)
    rise = resolvent @ (load + wave + g * 37.0) - (0.2 * 20.0 + 0.6 * 37.0) / 0.8
    assert rise == pytest.approx(wave / (8e-4 * (np.pi / 0.1) ** 2 + 0.8), rel=1e-3, abs=1e-6)


def test_fin_loses_no_heat() -> None:
    """Source = to tissue + to coolant + to room, for any tissue temperatures, to 1e-9; operator symmetric, negative."""
    shape = (20, 20, 40)
    fin = ShaftFin(NEEDLE, 0.9, -15.0, 15.0, 5e-5, film_w_mk=3.0, coolant_c=15.0, ambient_w_mk=0.05)
    bound = fin.bind(centred(shape), block(shape))
    rng = np.random.default_rng(2)
    tissue, source = rng.uniform(30, 90, bound.g.size), rng.uniform(0, 40, bound.g.size)
    into, out = bound.heat_w_per_m(tissue, source), bound.removed_w_per_m(tissue, source)
    assert into.sum() + out.sum() == pytest.approx(source.sum(), rel=1e-7)
    assert np.allclose(bound.operator, bound.operator.T)
    eigenvalues = np.linalg.eigvalsh(bound.operator)
    assert eigenvalues.max() <= 1e-9
    assert eigenvalues.min() >= -bound.g.max() - 1e-9


@pytest.mark.parametrize(("spacing_mm", "radius_mm"), [(1.0, 0.9), (1.0, 0.6), (0.75, 1.2), (2.0, 0.9)])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.3, 0.1)])
def test_warm_cylinder_in_perfused_tissue(spacing_mm: float, radius_mm: float, offset: tuple[float, float]) -> None:
    """Steady heat from a shaft held at 57 degC: 2 pi k m R K1(mR) / K0(mR) * 20 K per metre, m^2 = W / k.

    W 40000 W/m3K, plus pi R^2 W 20 K for the tissue that stands for the shaft's own volume. 5 %, wherever the needle
    lies between the cells (measured: 3.5 %).
    """
    n, h, w, k = round(24 / spacing_mm), spacing_mm * 1e-3, 40000.0, 0.5
    shape = (n, n, 5)
    conductances = faces(shape, k)
    conductances[2][:, :, [0, -1]] = 0.0
    uniform = block(shape, h, w=w)
    problem = BioheatProblem(h, uniform.capacity, conductances, uniform.perfusion)
    x, y = np.array(offset) * spacing_mm
    length = 5 * spacing_mm
    needle = Trajectory(np.array([x, y, 100.0]), np.array([x, y, -length / 2]))
    fin = ShaftFin(needle, radius_mm, 0.0, length, 0.0, film_w_mk=1e5, coolant_c=57.0, node_mm=spacing_mm)
    solver = BioheatSolver(problem, shaft=fin.bind(centred(shape, spacing_mm), problem))
    solver.advance(600.0)
    before = solver.balance().shaft_j
    solver.advance(30.0)
    got = (solver.balance().shaft_j - before) / 30.0 / (length * 1e-3)
    m, r = np.sqrt(w / k), radius_mm * 1e-3
    expected = (2 * np.pi * k * m * r * k1(m * r) / k0(m * r) + np.pi * r**2 * w) * 20.0
    assert got == pytest.approx(expected, rel=0.05)


def shaft_case(film: float, axial: float = 5e-5, source: float = 0.0) -> tuple[BioheatSolver, BoundShaft]:
    shape = (32, 32, 44)
    grid, problem = centred(shape), block(shape)
    needle = Trajectory(np.array([0.0, 0.0, 60.0]), np.array([0.0, 0.0, -12.0]))
    fin = ShaftFin(needle, 0.9, 12.0, 40.0, axial, film_w_mk=film, coolant_c=15.0)
    bound = fin.bind(grid, problem)
    sensors = {"shaft": np.array([17.5, 15.5, 34.0])}
    solver = BioheatSolver(problem, shaft=bound, sensors=sensors)
    solver.advance(180.0, gaussian(shape, 8.0, 4e-3), np.full(bound.g.size, source))
    return solver, bound


def test_cooled_shaft_spares_the_path() -> None:
    """Beside a self-heated shaft 16 mm above the source: uncooled > 45 degC, cooled below 37; both conserve energy."""
    bare, _ = shaft_case(0.0, source=60.0)
    cooled, _ = shaft_case(6.0, source=60.0)
    assert bare.readings()["shaft"] > 45.0
    assert cooled.readings()["shaft"] < 37.0
    for solver in (bare, cooled):
        energy = solver.balance()
        assert energy.error < 1e-3
        assert energy.shaft_source_j == pytest.approx(60.0 * 0.028 * 180.0, rel=1e-6)
    assert bare.balance().coolant_j == pytest.approx(0.0, abs=0.5)
    assert cooled.balance().coolant_j > cooled.balance().shaft_source_j


def test_metal_never_limits_the_step() -> None:
    """Silver-like shaft (kA 1e-2) against a poor one: the same number of steps, at most a few stages more."""
    poor, _ = shaft_case(1.0, axial=1e-6)
    silver, _ = shaft_case(1.0, axial=1e-2)
    assert silver.stable_step_s == pytest.approx(poor.stable_step_s)
    assert silver.statistics.stages <= 1.1 * poor.statistics.stages


def test_shaft_outside_the_grid_touches_nothing() -> None:
    """A fin wholly beyond the grid leaves the tissue alone; its heat goes to the room."""
    shape = (10, 10, 10)
    fin = ShaftFin(NEEDLE, 0.9, 60.0, 90.0, 5e-5, ambient_w_mk=0.05)
    solver = BioheatSolver(block(shape), shaft=fin.bind(centred(shape), block(shape)))
    solver.advance(60.0, None, np.full(30, 5.0))
    assert solver.hottest_c == pytest.approx(37.0)
    assert solver.balance().shaft_j == pytest.approx(0.0, abs=1e-9)


def test_displaced_tissue() -> None:
    """A fin with its own heat capacity replaces that of the displaced tissue; the total changes by (c_s - C A) L."""
    shape = (12, 12, 30)
    problem = block(shape, latent_j_m3=np.full(shape, 1e9, np.float32))
    area = np.pi * 0.8e-3**2
    fin = ShaftFin(NEEDLE, 0.8, -10.0, 10.0, 5e-5, heat_capacity_j_mk=2.0 * area * 3.8e6)
    changed = fin.bind(centred(shape), problem).into(problem)
    gained = float((changed.capacity.astype(float) - problem.capacity).sum()) * 1e-9
    assert gained == pytest.approx(area * 3.8e6 * 0.02, rel=1e-3)
    assert changed.latent_j_m3 is not None
    assert changed.latent_j_m3.min() < 0.9e9


def test_bad_shafts_are_refused() -> None:
    """Cooling without coolant temperature, a shaft of no length, a grid that does not fit."""
    with pytest.raises(InputError, match="coolant"):
        ShaftFin(NEEDLE, 0.9, 0.0, 10.0, 1e-5, film_w_mk=1.0)
    with pytest.raises(InputError, match="shaft"):
        ShaftFin(NEEDLE, 0.9, 10.0, 10.0, 1e-5)
    with pytest.raises(InputError, match="fit"):
        ShaftFin(NEEDLE, 0.9, 0.0, 10.0, 1e-5).bind(centred((3, 3, 3)), block((4, 4, 4)))
    with pytest.raises(InputError, match="Shaft sources"):
        BioheatSolver(block((3, 3, 3))).advance(1.0, None, np.ones(3))
