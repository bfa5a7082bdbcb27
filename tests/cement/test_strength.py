"""Voxel finite elements under compression: closed forms, a second code, convergence, and the failure criterion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vertherm.cement.strength import compare, compress, failure_load, posterior_share, treatment_states
from vertherm.cement.strength.compression import without_rigid_motion
from vertherm.cement.strength.failure import load_centre_mm
from vertherm.cement.strength.multigrid import Multigrid, Real
from vertherm.cement.strength.system import System, solve
from vertherm.core.errors import InputError
from vertherm.materials.bone_mechanics import mechanics_constant

Array = NDArray[np.float64]


def phantom(shape: tuple[int, int, int] = (16, 18, 12), seed: int = 0) -> Array:
    """A body with a cortex of 10 000, bone about 250, a lytic defect of 10 and cement of 2 000 MPa."""
    axes = (np.linspace(-1.0, 1.0, n) for n in shape)
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = np.hypot(x, y) / (0.93 + 0.07 * z**2)
    bone = 250.0 * np.exp(0.3 * np.random.default_rng(seed).standard_normal(shape))
    modulus = np.where(radius <= 1.0, bone, 0.0)
    modulus[(radius <= 1.0) & (radius > 0.88)] = 10_000.0
    modulus[(x - 0.2) ** 2 + (y - 0.3) ** 2 + z**2 < 0.25] = 10.0
    modulus[(x - 0.2) ** 2 + (y - 0.1) ** 2 + z**2 < 0.06] = 2_000.0
    return modulus


def test_patch() -> None:
    """Linear displacement u = A x on the whole surface of a uniform block: the inside follows, every strain is A's.

    Elements that hold all linear fields reproduce it exactly; 1e-6 of the largest displacement is the solver's part.
    """
    system = System(np.full((5, 6, 7), 800.0), 1.5, 0.3)
    place = 1.5 * np.stack(np.meshgrid(*(np.arange(n) for n in system.nodal[:3]), indexing="ij"), axis=-1)
    gradient = np.array([[1.0, 2.0, -1.0], [0.5, -2.0, 0.7], [0.3, 0.2, 1.5]]) * 1e-3
    exact = place @ gradient.T
    fixed = np.ones(system.nodal, np.bool_)
    fixed[1:-1, 1:-1, 1:-1] = False
    found, _ = solve(system, fixed, np.where(fixed, exact, 0.0), tolerance=1e-9)
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
    inner = system.forces(exact)[1:-1, 1:-1, 1:-1]
    assert np.abs(inner).max() < 1e-10 * np.abs(system.forces(exact)).max()


def test_uniform_column() -> None:
    """Free ends: stiffness E A / L, effective strain the applied one, stress E e; linear, so only rounding: 1e-5."""
    result = compress(np.full((4, 5, 9), 300.0), 2.0, strain=0.008, ends="frictionless", tolerance=1e-8)
    area, length = 4 * 5 * 4.0, 18.0
    assert result.stiffness_n_mm == pytest.approx(300.0 * area / length, rel=1e-5)
    assert result.force_n == pytest.approx(300.0 * area * 0.008, rel=1e-5)
    np.testing.assert_allclose(result.effective_strain, 0.008, rtol=1e-5)
    np.testing.assert_allclose(result.axial_stress_mpa, 2.4, rtol=1e-5)
    lateral = np.ptp(result.displacement_mm[..., 0])
    assert lateral == pytest.approx(0.3 * 0.008 * 8.0, rel=1e-4)
    assert failure_load(result, np.full((4, 5, 9), 300.0)).load_n == pytest.approx(300.0 * area * 0.007, rel=1e-4)


def test_layers_in_series_and_columns_in_parallel() -> None:
    """Reuss E = 2 / (1/E1 + 1/E2) across layers (Poisson ratio 0, else they strain each other), Voigt along columns.

    Both fields are linear within each material, so the elements hold them exactly: 1e-5 for the solver.
    """
    layers = np.full((4, 4, 8), 100.0)
    layers[:, :, ::2] = 5_000.0
    reuss = 2.0 / (1.0 / 100.0 + 1.0 / 5_000.0)
    found = compress(layers, 1.0, poisson=0.0, tolerance=1e-9)
    assert found.stiffness_n_mm == pytest.approx(reuss * 16.0 / 8.0, rel=1e-5)
    columns = np.full((4, 6, 8), 100.0)
    columns[:2] = 5_000.0
    found = compress(columns, 1.0, ends="frictionless", tolerance=1e-9)
    assert found.stiffness_n_mm == pytest.approx(0.5 * (100.0 + 5_000.0) * 24.0 / 8.0, rel=1e-5)


def test_cylinder_with_a_core() -> None:
    """Bonded core and sleeve: F = e (E1 A1 + E2 A2), areas pi r^2; equal Poisson ratios leave no stress between them.

    Only the circle's staircase is wrong: at radii of 12 and 6 voxels the count of voxels misses pi r^2 by below 2 %
    (Gauss's circle problem); the load share of the core is held to the same 2 %.
    """
    centre = np.arange(26) - 12.5
    radius = np.hypot(*np.meshgrid(centre, centre, indexing="ij"))
    section = np.where(radius < 6.0, 2_000.0, np.where(radius < 12.0, 200.0, 0.0))
    result = compress(np.repeat(section[:, :, None], 6, axis=2), 1.0, strain=0.01, ends="frictionless", tolerance=1e-8)
    core, sleeve = 2_000.0 * np.pi * 36.0, 200.0 * np.pi * (144.0 - 36.0)
    assert result.force_n == pytest.approx(0.01 * (core + sleeve), rel=0.02)
    inside = np.repeat((radius < 6.0)[:, :, None], 6, axis=2)
    assert posterior_share(result, inside, slices=2) == pytest.approx(core / (core + sleeve), rel=0.02)


def tip_mm(n: int) -> float:
    """Deflection of a cantilever of 8 x 1 x 1 mm, E 1000 MPa, n elements across, under 1 N spread over its end."""
    system = System(np.full((8 * n, n, n), 1000.0), 1.0 / n, 0.0)
    fixed = np.zeros(system.nodal, np.bool_)
    fixed[0] = True
    face = np.ones((n + 1, n + 1))
    face[[0, -1]] *= 0.5
    face[:, [0, -1]] *= 0.5
    forces = np.zeros(system.nodal)
    forces[-1, :, :, 2] = face / face.sum()
    displacement, _ = solve(system, fixed, np.zeros(system.nodal), forces, tolerance=1e-8)
    return float(displacement[-1, :, :, 2].mean())


def test_cantilever_converges_to_timoshenko() -> None:
    """Deflection P L^3 / 3 E I + P L / k G A, k = 5/6, Poisson ratio 0: 2.048 + 0.0192 mm.

    Trilinear elements are too stiff in bending; the error falls with the square of the edge: order 1.7-2.2 over 2, 4, 8
    elements. Extrapolated, 0.5 % remains for the beam theory itself at its clamped end.
    """
    exact = 512.0 / (3.0 * 1000.0 / 12.0) + 8.0 / (5.0 / 6.0 * 500.0)
    two, four, eight = (tip_mm(n) for n in (2, 4, 8))
    assert two < four < eight < exact
    assert 1.7 < np.log2((four - two) / (eight - four)) < 2.2
    assert eight + (eight - four) / 3.0 == pytest.approx(exact, rel=0.005)


def test_agrees_with_scikit_fem() -> None:
    """The same voxels, contrast 1 : 1000, assembled and solved directly by another code: 1e-6 of the displacement."""
    from scipy.sparse.linalg import splu
    from skfem import Basis, ElementHex1, ElementVector, MeshHex, asm, condense
    from skfem.models.elasticity import linear_elasticity

    modulus = np.maximum(phantom((9, 8, 7)), 10.0)
    mesh = MeshHex.init_tensor(*(np.arange(n + 1.0) for n in modulus.shape))
    basis = Basis(mesh, ElementVector(ElementHex1()), intorder=3)
    # A modulus per element: the form is linear in it, so its nodal load is interpolated as a constant per element.
    voxel = np.floor(mesh.p[:, mesh.t].mean(axis=1)).astype(int)
    each = modulus[tuple(voxel)][:, None] * np.ones((1, basis.X.shape[1]))
    matrix = asm(linear_elasticity(0.3 / (1.3 * 0.4) * each, 0.5 / 1.3 * each), basis)
    ends = basis.get_dofs(lambda x: (x[2] < 1e-9) | (x[2] > 7.0 - 1e-9)).all()
    given = np.zeros(basis.N)
    given[basis.nodal_dofs[2]] = np.where(mesh.p[2] > 7.0 - 1e-9, -0.07, 0.0)
    reduced, load, exact, inner = condense(matrix, np.zeros(basis.N), x=given, D=ends)
    exact[inner] = splu(reduced.tocsc()).solve(load)
    result = compress(modulus, 1.0, tolerance=1e-9)
    node = tuple(np.rint(mesh.p).astype(int))
    found = result.displacement_mm[node].T
    assert np.abs(found - exact[basis.nodal_dofs]).max() < 1e-6 * 0.07 + 1e-8
    assert result.force_n == pytest.approx(exact @ (matrix @ exact) / 0.07, rel=1e-7)


def test_inclusion_converges_from_above() -> None:
    """A cube of 5000 in 200 MPa, halved voxels: the energy of a finer grid that holds the coarser is never larger.

    Stiffness falls, and its steps shrink by 2 at least (order 1; 2 without the singular edges of the cube).
    """
    found = []
    for n in (1, 2, 4):
        modulus = np.full((4 * n, 4 * n, 4 * n), 200.0)
        modulus[n : 3 * n, n : 3 * n, n : 3 * n] = 5_000.0
        found.append(compress(modulus, 4.0 / n, tolerance=1e-8).stiffness_n_mm)
    first, second = found[0] - found[1], found[1] - found[2]
    assert 0.0 < second < 0.5 * first


def test_every_layer_carries_the_force() -> None:
    """Equilibrium: the axial stresses of each layer sum to the force, for any modulus (virtual work of one layer)."""
    result = compress(phantom(), 1.3, tolerance=1e-9)
    layers = result.axial_stress_mpa.astype(np.float64).sum(axis=(0, 1)) * 1.3**2
    np.testing.assert_allclose(layers, result.force_n, rtol=1e-5)


def test_multigrid_is_symmetric_positive_and_quick() -> None:
    """<a, M b> = <b, M a> within single precision; <a, M a> > 0; below 20 iterations at a contrast of 1 : 1000."""
    modulus = phantom((21, 23, 17))
    system = System(modulus, 1.0, 0.3)
    fixed = np.zeros(system.nodal, np.bool_)
    fixed[:, :, [0, -1]] = True
    from vertherm.cement.strength.elements import unit_stiffness

    grids = Multigrid(system.shape, system.base, system.scale, unit_stiffness(0.3), fixed)
    free = grids.levels[0].free
    a, b = (np.random.default_rng(n).standard_normal(free.size).astype(Real) * free for n in (1, 2))
    left, right = float(np.vdot(a, grids.cycle(b))), float(np.vdot(b, grids.cycle(a)))
    size = float(np.vdot(a, grids.cycle(a)))
    assert size > 0.0
    assert left == pytest.approx(right, abs=1e-4 * size)
    for ends in ("bonded", "frictionless"):
        assert compress(modulus, 1.0, ends=ends).statistics["iterations"] < 20


def test_flips_do_not_matter() -> None:
    """Mirrored in x or y the body has the mirrored strains, and the same force (to the solver's tolerance)."""
    modulus = phantom((11, 13, 8))
    plain = compress(modulus, 1.0, tolerance=1e-8)
    for axis in (0, 1):
        mirrored = compress(np.flip(modulus, axis), 1.0, tolerance=1e-8)
        assert mirrored.force_n == pytest.approx(plain.force_n, rel=1e-7)
        np.testing.assert_allclose(np.flip(mirrored.effective_strain, axis), plain.effective_strain, atol=2e-7)


def test_islands_go_and_gaps_are_refused() -> None:
    """A voxel that touches the block by an edge only carries nothing and would be a hinge; a gap leaves no path."""
    modulus = np.zeros((6, 6, 6))
    modulus[1:4, 1:4] = 100.0
    plain = compress(modulus, 1.0, tolerance=1e-8)
    modulus[4, 4, 2] = 100.0
    island = compress(modulus, 1.0, tolerance=1e-8)
    assert island.statistics["removed_voxels"] == 1
    assert not island.solid[4, 4, 2]
    assert island.effective_strain[4, 4, 2] == 0.0
    assert island.stiffness_n_mm == pytest.approx(plain.stiffness_n_mm, rel=1e-9)
    modulus[:, :, 3] = 0.0
    with pytest.raises(InputError, match="connects"):
        compress(modulus, 1.0)
    with pytest.raises(InputError, match="connects"):
        compress(np.zeros((3, 3, 3)), 1.0)


def test_caps_fill_hollows_and_no_overhangs() -> None:
    """A dish in the upper end is filled with cement to the plane of its rim; below an overhang nothing is."""
    modulus = np.full((7, 7, 10), 100.0)
    modulus[2:5, 2:5, 8:] = 0.0
    modulus[0, :, :9] = 0.0
    result = compress(modulus, 1.0)
    assert result.cap.sum() == 18
    assert result.cap[2:5, 2:5, 8:].all()
    bare = compress(modulus, 1.0, caps=False)
    assert bare.cap.sum() == 0
    assert bare.stiffness_n_mm < result.stiffness_n_mm
    assert np.all(result.effective_strain[0, :, :9] == 0.0)
    turned = compress(np.flip(modulus, axis=2), 1.0)
    np.testing.assert_array_equal(np.flip(turned.cap, axis=2), result.cap)


def test_rigid_motion_is_taken_out() -> None:
    """A shift and a small turn about the axis vanish; what is neither stays. Linear algebra: 1e-12."""
    system = System(phantom((6, 7, 5)) + 1.0, 1.0, 0.3)
    x, y, z = np.meshgrid(*(np.arange(float(n)) for n in system.nodal[:3]), indexing="ij")
    rigid = np.stack((0.3 - 0.02 * y, -0.1 + 0.02 * x, 0.0 * z), axis=-1)
    stretch = np.stack((0.1 * (x - x.mean()), 0.1 * (y - y.mean()), -0.2 * z), axis=-1)
    np.testing.assert_allclose(without_rigid_motion(system, rigid + stretch), stretch, atol=1e-12)


def test_failure_load_is_a_quantile() -> None:
    """Columns of strain 0.01 each: 2 % beyond 0.007 is reached at 0.7 of the force, whatever strain was applied.

    The band spans the table's ranges: linear in the critical strain where all bone strains alike.
    """
    modulus = np.full((5, 5, 6), 150.0)
    loads = [failure_load(compress(modulus, 1.0, strain=e, ends="frictionless"), modulus) for e in (0.001, 0.01)]
    assert loads[0].load_n == pytest.approx(loads[1].load_n, rel=1e-5)
    quantity = mechanics_constant("critical_strain")
    assert quantity.low is not None
    assert quantity.high is not None
    assert loads[0].low_n == pytest.approx(loads[0].load_n * quantity.low / quantity.value, rel=1e-4)
    assert loads[0].high_n == pytest.approx(loads[0].load_n * quantity.high / quantity.value, rel=1e-4)
    varied = phantom()
    result = compress(varied, 1.0)
    at_failure = result.effective_strain[result.solid] * failure_load(result, varied).load_n / result.force_n
    assert np.mean(at_failure > 0.007) == pytest.approx(0.02, abs=0.001)


def test_whole_body_and_reference_volume() -> None:
    """The second estimate is 0.0068 K H. Half the bone of the reference judged: 2 % of it is 4 % of what is judged."""
    modulus = phantom()
    result = compress(modulus, 1.5, strain=0.004)
    plain = failure_load(result, modulus)
    assert plain.whole_n == pytest.approx(0.0068 * result.stiffness_n_mm * 12 * 1.5, rel=1e-9)
    doubled = failure_load(result, modulus, reference_voxels=2 * plain.bone_voxels)
    assert doubled.load_n == pytest.approx(failure_load(result, modulus, critical_share=0.04).load_n, rel=1e-9)
    with pytest.raises(InputError, match="smaller"):
        failure_load(result, modulus, reference_voxels=plain.bone_voxels - 1)


def test_cement_is_judged_by_its_stress() -> None:
    """Parallel columns at the same strain: cement of 2000 MPa reaches its 90 MPa at a strain of 0.045."""
    modulus = np.full((4, 4, 6), 150.0)
    modulus[:2] = 2_000.0
    result = compress(modulus, 1.0, ends="frictionless", tolerance=1e-8)
    found = failure_load(result, modulus, cement=modulus == 2_000.0)
    assert found.bone_voxels == 48
    assert found.cement_load_n is not None
    assert found.cement_load_n / result.force_n == pytest.approx(90.0 / 2_000.0 / 0.01, rel=1e-4)
    assert found.load_n / result.force_n == pytest.approx(0.7, rel=1e-4)


def ball(shape: tuple[int, int, int], centre: tuple[float, float, float], radius: float) -> NDArray[np.bool_]:
    """Voxels within ``radius`` of ``centre``."""
    away = np.moveaxis(np.indices(shape), 0, -1) - np.asarray(centre)
    return np.asarray(np.sum(away**2, axis=-1) < radius**2)


def test_states_and_more_cement() -> None:
    """Lesion weakens, ablation weakens further, cement stiffens, and the more of it the more; ratios start at 1.

    Moduli are ordered voxel by voxel, and stiffness rises with any of them (minimum of energy), so the order is strict.
    """
    shape = (14, 14, 12)
    body = np.repeat(ball((14, 14, 1), (6.5, 6.5, 0), 6.8), 12, axis=2)
    lesion, ablated = ball(shape, (6.5, 6.5, 5.5), 3.5), ball(shape, (6.5, 6.5, 5.5), 5.0)
    density = np.where(lesion, 0.05, 0.2)
    posterior = np.zeros(shape, np.bool_)
    posterior[:, :3] = True
    stiffness = []
    for radius in (2.0, 3.0, 4.0):
        cement = 0.8 * ball(shape, (6.5, 6.5, 5.5), radius)
        states = treatment_states(density, body, lesion, ablated=ablated, cement_fraction=cement)
        assert np.ptp(states[0].modulus_mpa[body]) == 0.0
        np.testing.assert_array_equal(states[3].cement, cement > 0.0)
        assert not (states[3].bone & (states[3].cement | lesion)).any()
        rows = compare(states, 1.0, posterior)
        assert [row.name for row in rows] == ["without lesion", "with lesion", "after ablation", "with cement"]
        assert rows[0].stiffness_ratio == rows[0].failure_ratio == 1.0
        assert 1.0 > rows[1].stiffness_ratio > rows[2].stiffness_ratio
        assert rows[1].failure_ratio < 1.0
        assert rows[1].posterior_share is not None
        assert rows[0].posterior_share is not None
        assert rows[1].posterior_share > rows[0].posterior_share
        stiffness.append(rows[3].stiffness_n_mm)
        assert stiffness[-1] > rows[2].stiffness_n_mm
    assert stiffness[0] < stiffness[1] < stiffness[2]


def test_line_of_load_of_two_columns() -> None:
    """Two columns side by side, moduli E1 = 3 E2, free sides, frictionless ends, no lateral strain (Poisson 0).

    Both shorten alike, so each carries by its modulus: the centre lies at (3 x1 + x2) / 4, x1 and x2 their middles.
    Columns of 4 voxels of 1 mm: 1.5 and 5.5 mm; expected 2.5 mm; exact but for the solver's tolerance.
    """
    modulus = np.full((8, 4, 6), 100.0)
    modulus[:4] = 300.0
    found = compress(modulus, 1.0, poisson=0.0, ends="frictionless", caps=False, tolerance=1e-9)
    assert load_centre_mm(found) == pytest.approx((2.5, 1.5), abs=1e-6)
    turned = compress(np.swapaxes(modulus, 0, 1), 1.0, poisson=0.0, ends="frictionless", caps=False, tolerance=1e-9)
    assert load_centre_mm(turned) == pytest.approx((1.5, 2.5), abs=1e-6)


def test_bad_input() -> None:
    """Each fault gives one clear error."""
    good = np.full((3, 3, 3), 10.0)
    for modulus in (good[0], -good, np.where(good > 0, np.nan, 0.0)):
        with pytest.raises(InputError, match="moduli"):
            compress(modulus, 1.0)
    for spacing in (0.0, (1.0, 1.0, 2.0)):
        with pytest.raises(InputError, match="cubes"):
            compress(good, spacing)
    with pytest.raises(InputError, match="not defined"):
        compress(good, 1.0, strain=0.0)
    with pytest.raises(InputError, match="not defined"):
        compress(good, 1.0, poisson=0.5)
    result = compress(good, 1.0)
    with pytest.raises(InputError, match="another grid"):
        posterior_share(result, np.ones((2, 2, 2)))
    with pytest.raises(InputError, match="layers"):
        posterior_share(result, good > 0, slices=4)
    with pytest.raises(InputError, match="no bone"):
        failure_load(result, good, cement=good > 0)
    with pytest.raises(InputError, match="range"):
        failure_load(result, good, critical_share=0.0)
    with pytest.raises(InputError, match="outside the lesion"):
        treatment_states(good, good > 0, good > 0)
    with pytest.raises(InputError, match="another grid"):
        treatment_states(good, good > 0, good[0] > 0)
    with pytest.raises(InputError, match="nothing to compare"):
        compare((), 1.0)
