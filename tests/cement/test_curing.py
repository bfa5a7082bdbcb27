"""Curing heat in the bioheat solver: adiabatic rise, slab against an independent solution, balance, trends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.sparse import bmat, diags, identity

from vertherm.cement.curing import CuringResult, combined, cure, injected, with_cement
from vertherm.cement.kinetics import Kinetics, kinetics, premixed
from vertherm.core.errors import InputError
from vertherm.heat.problem import BioheatProblem
from vertherm.materials.bone_cement import bone_cement
from vertherm.materials.tissue import tissue

Array = NDArray[np.float64]
CEMENT = bone_cement("medium_viscosity")
BONE = tissue("cancellous_bone")
LAW = kinetics("fast")


def bone(shape: tuple[int, ...], spacing_m: float, *, blood: bool = False) -> BioheatProblem:
    """Bone throughout, outer faces insulated, with or without blood flow."""
    x, y, z = shape
    k = np.float32(BONE.conductivity)
    return BioheatProblem(
        spacing_m=spacing_m,
        capacity=np.full((x, y, z), BONE.volumetric_heat_capacity, np.float32),
        conductivity_faces=(np.full((x + 1, y, z), k), np.full((x, y + 1, z), k), np.full((x, y, z + 1), k)),
        perfusion=np.full((x, y, z), BONE.perfusion if blood else 0.0, np.float32),
        boundary="insulated",
    )


def ball(n: int, radius: float) -> tuple[NDArray[np.float32], Array]:
    """Share of cement of a ball in the middle of n^3 cells, and the distance from its centre, in cells."""
    offset = np.indices((n, n, n)) - (n - 1) / 2
    r = np.sqrt((offset**2).sum(axis=0))
    return np.clip(radius + 0.5 - r, 0, 1).astype(np.float32), r


def cured_ball(start_c: float = 37.0, law: Kinetics = LAW, scale: float = 1.0) -> CuringResult:
    """A ball of 5 mm radius in 24 mm of bone with blood flow, 1 mm cells; "near" is 3 mm from its surface."""
    share, r = ball(24, 5.0)
    share = share * np.float32(scale)
    problem = with_cement(bone(share.shape, 1e-3, blood=True), share, CEMENT)
    initial = np.full(share.shape, start_c, np.float32)
    near = {"near": np.flatnonzero(np.abs(r - 8) < 0.5), "centre": np.flatnonzero(r < 1)}
    return cure(problem, share, law, initial_c=initial, alpha_start=0.01, structures=near)


def test_adiabatic_rise() -> None:
    """All cells cement, insulated: T = T0 + H (1 - alpha_start) / (rho c) = 37 + 63.1 K.

    Within 0.1 % of the rise: the run stops looking for heat once 0.1 % of it is left, and then cools no cell (it is
    followed to its limit of time).
    """
    share = np.ones((4, 3, 2), np.float32)
    problem = with_cement(bone(share.shape, 1e-3), share, CEMENT)
    result = cure(
        problem, share, LAW, initial_c=np.full(share.shape, 37.0, np.float32), alpha_start=0.1, structures={},
        longest_s=1200.0,
    )  # fmt: skip
    rise = LAW.heat_j_m3 * 0.9 / CEMENT.volumetric_heat_capacity
    assert result.temperature_c == pytest.approx(37.0 + rise, abs=1.1e-3 * rise)
    assert result.released_j == pytest.approx(result.expected_j, rel=1.2e-3)
    assert result.expected_j == pytest.approx(LAW.heat_j_m3 * 0.9 * 24e-9, rel=1e-6)
    assert not result.settled  # it never cools below 43 degC


def slab_reference(cement_m: float, bone_m: float, h: float) -> tuple[Array, Array]:
    """Times and interface temperature of half a slab of cement on bone, by lines and BDF, both ends closed.

    Independent of the package's solver: own matrix, unsplit, rate from the Arrhenius law written out.
    """
    n, inside = round((cement_m + bone_m) / h), round(cement_m / h)
    k = np.where(np.arange(n) < inside, CEMENT.conductivity.value, BONE.conductivity)
    heat = np.where(np.arange(n) < inside, CEMENT.volumetric_heat_capacity, BONE.volumetric_heat_capacity)
    face = 2 * k[1:] * k[:-1] / (k[1:] + k[:-1]) / h**2
    matrix = diags([face, -np.append(face, 0) - np.append(0, face), face], [-1, 0, 1], format="csr")

    def rates(_: float, y: Array) -> Array:
        t, alpha = y[:n], y[n:]
        speed = LAW.frequency_per_s * np.exp(-LAW.temperature_k / (t[:inside] + 273.15))
        curing = speed * (alpha + LAW.seed) * (1 - alpha)
        warming = matrix @ t
        warming[:inside] += LAW.heat_j_m3 * curing
        return np.concatenate([warming / heat, curing])

    coupling = identity(n, format="csr")[:, :inside]
    sparsity = bmat([[abs(matrix) + identity(n), coupling], [coupling.T, identity(inside)]])
    start = np.concatenate([np.full(n, 37.0), np.full(inside, 0.01)])
    times = np.arange(0.0, 300.0, 0.5)
    found = solve_ivp(rates, (0, 300), start, "BDF", times, rtol=1e-6, atol=1e-7, jac_sparsity=sparsity)
    a, b = k[inside - 1], k[inside]
    return times, (a * found.y[inside - 1] + b * found.y[inside]) / (a + b)


def slab_interface(cement_m: float, bone_m: float, h: float) -> tuple[Array, Array]:
    """The same from :func:`cure`: temperature of the interface from the flux that its two cells share."""
    n, inside = round((cement_m + bone_m) / h), round(cement_m / h)
    share = np.zeros((n, 1, 1), np.float32)
    share[:inside] = 1.0
    cells = {"in": np.array([inside - 1]), "out": np.array([inside])}
    problem = with_cement(bone(share.shape, h), share, CEMENT)
    initial = np.full(share.shape, 37.0, np.float32)
    result = cure(problem, share, LAW, initial_c=initial, alpha_start=0.01, structures=cells, longest_s=300.0)
    a, b = CEMENT.conductivity.value, BONE.conductivity
    return result.curves["time_s"], (a * result.curves["in"] + b * result.curves["out"]) / (a + b)


def test_slab_between_bone() -> None:
    """10 mm of cement between bone (half of it, 5 mm, on 35 mm of bone), all at 37 degC, alpha 0.01: the interface.

    Reference: method of lines at 0.1 mm with BDF, its own peak within 0.003 K of that at 0.05 mm. Peak within 0.5 K at
    1 mm (1.6 % of a rise of 30 K, five cells across the half slab; found: 0.46) and less than 0.4 of that at 0.5 mm
    (second order: 0.25, and an allowance for the step in time). The curve stays within 2 K throughout, because it
    rises by some kelvin a second as the front arrives.
    """
    times, exact = slab_reference(5e-3, 35e-3, 0.1e-3)
    errors = []
    for h in (1e-3, 0.5e-3):
        at, found = slab_interface(5e-3, 35e-3, h)
        errors.append(abs(float(found.max() - exact.max())))
        assert np.abs(np.interp(times, at, found) - exact).max() < 2.0
    assert errors[0] < 0.5
    assert errors[1] < max(0.4 * errors[0], 0.03)


def test_heat_released_is_heat_entered() -> None:
    """H sum(f dalpha) h^3 = what the solver's ledger took in, to float32 rounding; the balance closes to 0.5 %."""
    result = cured_ball()
    assert result.settled
    assert result.energy["source_j"] == pytest.approx(result.released_j, rel=1e-6)
    assert result.released_j == pytest.approx(result.expected_j, rel=1.1e-3)
    assert result.energy["error"] < 5e-3
    assert result.conversion.max() <= 1.0
    assert result.conversion.min() >= 0.0
    assert result.conversion[0, 0, 0] == 0.0
    last = {name: peak.last_c for name, peak in result.structures.items()}
    assert max(last.values()) < 43.0


def test_warm_bone_cures_sooner_and_hotter() -> None:
    """Ordered by physics: start at 37, 41, 45 degC; the centre peaks earlier and higher, and 3 mm away it is hotter."""
    runs = [cured_ball(start) for start in (37.0, 41.0, 45.0)]
    centre = [run.structures["centre"] for run in runs]
    near = [run.structures["near"].peak_c for run in runs]
    assert centre[0].peak_time_s > centre[1].peak_time_s > centre[2].peak_time_s
    assert centre[0].peak_c < centre[1].peak_c < centre[2].peak_c
    assert near[0] < near[1] < near[2]


def test_slow_cement_peaks_later_and_cooler() -> None:
    """Same heat, more time to leave: half the cement per cell and slow kinetics both lower the peak."""
    fast, slow, thin = cured_ball(), cured_ball(law=kinetics("slow")), cured_ball(scale=0.5)
    assert slow.structures["centre"].peak_time_s > fast.structures["centre"].peak_time_s
    assert slow.structures["centre"].peak_c < fast.structures["centre"].peak_c
    assert thin.expected_j == pytest.approx(0.5 * fast.expected_j, rel=1e-5)
    assert thin.structures["near"].peak_c < fast.structures["near"].peak_c


def test_no_cement_no_change() -> None:
    """Fraction 0: same problem, no heat, temperature as before."""
    nothing = np.zeros((6, 6, 6), np.float32)
    plain = bone(nothing.shape, 1e-3, blood=True)
    problem = with_cement(plain, nothing, CEMENT)
    assert np.array_equal(problem.capacity, plain.capacity)
    assert np.array_equal(problem.perfusion, plain.perfusion)
    for new, old in zip(problem.conductivity_faces, plain.conductivity_faces, strict=True):
        assert new == pytest.approx(old, rel=1e-6)
    start = np.full(nothing.shape, 37.0, np.float32)
    result = cure(problem, nothing, LAW, initial_c=start, alpha_start=0.0, structures={"all": np.arange(216)})
    assert result.released_j == 0.0
    assert result.peak_c == pytest.approx(37.0, abs=1e-4)


def test_faces_and_start_temperature() -> None:
    """Pure cement beside bone: harmonic mean 2 / (1/k_c + 1/k_b). Mixed start: total heat stays, to 1e-6."""
    share = np.zeros((4, 1, 1), np.float32)
    share[:2] = 1.0
    plain = bone(share.shape, 1e-3)
    faces = with_cement(plain, share, CEMENT).conductivity_faces[0].ravel()
    a, b = CEMENT.conductivity.value, BONE.conductivity
    assert faces == pytest.approx([a, a, 2 / (1 / a + 1 / b), b, b], rel=1e-6)
    share[:] = 0.3
    warm = np.full(share.shape, 45.0, np.float32)
    mixed = injected(plain, warm, share, CEMENT, 20.0)
    stored = with_cement(plain, share, CEMENT).capacity * mixed
    apart = 0.7 * plain.capacity * 45.0 + 0.3 * CEMENT.volumetric_heat_capacity * 20.0
    assert stored == pytest.approx(apart, rel=1e-6)


def test_coagulated_tissue_has_no_blood() -> None:
    """The ablation's omega stops the flow as the problem's own response says."""

    class Stops:
        def rise(self, temperature_c: object) -> Array:
            return np.ones_like(np.asarray(temperature_c, np.float64))

        def survival(self, omega: object) -> Array:
            return np.asarray(np.asarray(omega, np.float64) < 1.0, np.float64)

    share = np.zeros((3, 1, 1), np.float32)
    problem = replace(bone(share.shape, 1e-3, blood=True), perfusion_response=Stops())
    dead = with_cement(problem, share, CEMENT, omega=np.array([0, 2, 0], np.float32).reshape(3, 1, 1))
    assert dead.perfusion.ravel() == pytest.approx([BONE.perfusion, 0.0, BONE.perfusion])


def test_combined_and_refusals() -> None:
    """Peak is the larger, dose the sum; unusable input gives one error."""
    result = cured_ball()
    before = np.full(result.peak_c.shape, 60.0, np.float32)
    peak, dose = combined(before, np.full_like(before, 3.0), result)
    assert np.array_equal(peak, np.maximum(before, result.peak_c))
    assert dose == pytest.approx(result.cem43_min + 3.0)
    with pytest.raises(InputError):
        combined(before[:3], before, result)
    plain = bone((3, 3, 3), 1e-3)
    with pytest.raises(InputError):
        with_cement(plain, np.full((3, 3, 3), 1.2, np.float32), CEMENT)
    with pytest.raises(InputError):
        with_cement(plain, np.zeros((2, 3, 3), np.float32), CEMENT)
    for changed in ({"alpha_start": 1.5}, {"longest_s": 0.0}):
        given = {"alpha_start": 0.0, "longest_s": 10.0, **changed}
        with pytest.raises(InputError):
            cure(
                plain, np.zeros((3, 3, 3), np.float32), LAW, initial_c=np.zeros((3, 3, 3), np.float32),
                structures={}, **given,
            )  # fmt: skip


def test_cement_mixed_at_room_temperature_is_nearly_unset() -> None:
    """Five minutes at 23 degC use up less than 2 % of the medium cement: the heat comes out in the bone."""
    assert 0.0 < premixed(kinetics("medium"), 0.0, 300.0, 23.0) < 0.02
