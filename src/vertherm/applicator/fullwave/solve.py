"""``full_wave``: one antenna in the patient's own tissue, three-dimensional."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import Antenna
from vertherm.applicator.axisymmetric import AxisymmetricSolution
from vertherm.applicator.fullwave.box import FineBox, Needle
from vertherm.applicator.fullwave.feed import Feed, match
from vertherm.applicator.fullwave.incident import IncidentField
from vertherm.applicator.fullwave.march import DEVICES, Steady, YeeProblem, march
from vertherm.applicator.fullwave.material import (
    check_tissue,
    edge_material,
    fade_in,
    fine_cells,
    medium_cells,
    with_antenna,
)
from vertherm.applicator.fullwave.metal import AntennaCells, antenna_cells
from vertherm.applicator.fullwave.power import Powers, axisymmetric_density, densities, total_field
from vertherm.applicator.fullwave.result import FullWaveResult, FullWaveStatus
from vertherm.applicator.fullwave.sources import contrast_sources, surface_sources, within_surface
from vertherm.applicator.fullwave.yee import edge_permittivity, yee_problem
from vertherm.applicator.medium import Medium
from vertherm.applicator.tm import ETA_0
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid

Field = NDArray[np.float32]
FORMULATIONS = ("contrast", "surface")
SURFACE_MM = 3.0
"""Distance of the equivalence surface from the axis, beyond the shaft's radius."""


@dataclass(frozen=True)
class FullWaveNumerics:
    """Numerical choices.

    Args:
        spacing_mm: largest edge of a fine cell; heat cells are cut into whole numbers of them.
        reach_mm: half the edge of the cube around the centre of the deposited power.
        layers: absorbing cells on every side, outside the cube.
        tolerance: accepted change of the phasors over a period, relative L2.
        max_periods: periods after which the march stops unconverged.
        surface_mm: distance of the equivalence surface from the shaft's surface ("surface" only).
        fade_mm: towards the faces of the cube the patient fades into the axisymmetric medium over this length
            ("contrast" only): the contrast must not end in a step.
    """

    spacing_mm: float = 0.5
    reach_mm: float = 40.0
    layers: int = 8
    tolerance: float = 2e-3
    max_periods: int = 40
    surface_mm: float = SURFACE_MM
    fade_mm: float = 4.0


def full_wave(
    grid: Grid,
    trajectory: Trajectory,
    antenna: Antenna,
    solution: AxisymmetricSolution,
    medium: Medium,
    eps_cells: NDArray,
    sigma_cells: NDArray,
    *,
    formulation: str = "contrast",
    device: str = "cpu",
    threads: int = 1,
    numerics: FullWaveNumerics | None = None,
    progress: Progress = silent,
) -> FullWaveResult:
    """Power density around the antenna with the tissue as it is, not as its azimuthal mean.

    Args:
        grid: the heat grid (cubic cells).
        trajectory: the needle.
        antenna: the antenna that ``solution`` belongs to.
        solution: its axisymmetric solution in ``medium``.
        medium: the medium (r, z) the solution was made with, usually the patient's azimuthal mean.
        eps_cells, sigma_cells: grid shape; relative permittivity and conductivity in S/m of every cell.
        formulation: "contrast" (scattered field, driven by patient minus medium) or "surface" (equivalence surface).
        device: "cpu" or "cuda".
        threads: threads on the processor.
        numerics: see :class:`FullWaveNumerics`.

    Raises:
        InputError: unknown formulation or device, no graphics card, unphysical tissue, antenna outside the grid.
        SolverError: the field is not finite or grows without bound.
    """
    start = time.perf_counter()
    choice = numerics or FullWaveNumerics()
    _check(antenna, solution, formulation, device, threads)
    box = FineBox.around(
        grid,
        trajectory.point_mm(power_centre_mm(solution)),
        spacing_mm=choice.spacing_mm,
        reach_mm=choice.reach_mm,
        layers=choice.layers,
    )
    setup = _Setup.of(box, trajectory, antenna, solution, medium, eps_cells, sigma_cells, formulation, choice)
    prepared = time.perf_counter()
    steady = None
    if setup.problem is not None:
        steady = march(
            setup.problem,
            device=device,
            threads=threads,
            tolerance=choice.tolerance,
            max_periods=choice.max_periods,
            progress=progress,
        )
    marched = time.perf_counter()
    powers = setup.powers(steady)
    cell_m3 = grid.voxel_volume_ml * 1e-6
    marched_w, axisymmetric_w = (float(q.sum(dtype=np.float64)) * cell_m3 for q in (powers.q, powers.q_axisymmetric))
    feed = Feed(1.0, solution.s11)
    if formulation == "contrast":
        feed = match(solution.s11, setup.reaction_w(steady), marched_w, powers.medium_w)
    scale = np.float32(feed.amplitude**2)
    q_axisymmetric = axisymmetric_density(grid, trajectory, setup.incident, antenna, sigma_cells)
    q_axisymmetric[box.heat_block] = powers.q_axisymmetric
    q = q_axisymmetric.copy()
    q[box.heat_block] = scale * powers.q
    inside = np.zeros(grid.shape, dtype=bool)
    inside[box.heat_block] = True
    periods = 0 if steady is None else steady.periods
    return FullWaveResult(
        q=q,
        q_axisymmetric=q_axisymmetric,
        inside=inside,
        e2=scale * powers.e2,
        fine_grid=box.fine_grid,
        absorbed_w=float(scale) * marched_w,
        absorbed_axisymmetric_w=axisymmetric_w,
        feed=feed,
        status=_status(steady),
        periods=periods,
        steps=periods * setup.steps_per_period,
        residual=0.0 if steady is None else steady.changes[-1] if steady.changes else float("inf"),
        changes=() if steady is None else steady.changes,
        cells=int(np.prod(box.cells)),
        memory_mb=setup.memory_mb,
        prepare_s=prepared - start,
        march_s=marched - prepared,
        wall_s=time.perf_counter() - start,
        formulation=formulation,
        device=device,
        spacing_mm=box.spacing_m * 1e3,
        notes=_notes(box, choice),
    )


def power_centre_mm(solution: AxisymmetricSolution) -> float:
    """Height above the tip of the centre of the deposited power, in mm."""
    density = solution.q.astype(np.float64) * solution.r_m[:, None]
    along = np.trapezoid(density, solution.r_m, axis=0)
    total = np.trapezoid(along, solution.z_m)
    if not total > 0:
        raise InputError("The antenna's axisymmetric solution deposits no power.", where="full wave")
    return float(np.trapezoid(along * solution.z_m, solution.z_m) / total) * 1e3


def _check(antenna: Antenna, solution: AxisymmetricSolution, formulation: str, device: str, threads: int) -> None:
    if formulation not in FORMULATIONS:
        raise InputError("Unknown formulation of the full wave.", got=formulation, expected=", ".join(FORMULATIONS))
    if device not in DEVICES:
        raise InputError("Unknown device.", where="full wave", got=device, expected=", ".join(DEVICES))
    if threads < 1:
        raise InputError("The number of threads is unusable.", where="full wave", got=threads, expected="1 or more")
    if solution.antenna != antenna.name:
        raise InputError(
            "The axisymmetric solution belongs to another antenna.", got=solution.antenna, expected=antenna.name
        )


def _status(steady: Steady | None) -> FullWaveStatus:
    if steady is None:
        return FullWaveStatus.nothing_to_do
    return FullWaveStatus.converged if steady.converged else FullWaveStatus.not_converged


def _notes(box: FineBox, choice: FullWaveNumerics) -> tuple[str, ...]:
    spacing = float(box.grid.spacing_mm.mean())
    sizes = [n * spacing for n in box.count]
    text = " x ".join(f"{s:.0f}" for s in sizes)
    notes = [f"covers {text} mm around the antenna, elsewhere the axisymmetric density"]
    if min(sizes) < 2 * choice.reach_mm - 2 * spacing:
        notes.append("clipped at the edge of the heat grid; beyond it the tissue is continued")
    return tuple(notes)


@dataclass(frozen=True, eq=False)
class _Setup:
    """A full wave ready to march; ``problem`` is None where nothing scatters."""

    box: FineBox
    needle: Needle
    incident: IncidentField
    antenna: Antenna
    sigma: Field
    sigma_medium: Field
    cells: AntennaCells
    surface_m: float | None
    own_reaction_w: complex
    problem: YeeProblem | None
    steps_per_period: int
    memory_mb: float

    @staticmethod
    def of(
        box: FineBox,
        trajectory: Trajectory,
        antenna: Antenna,
        solution: AxisymmetricSolution,
        medium: Medium,
        eps_cells: NDArray,
        sigma_cells: NDArray,
        formulation: str,
        choice: FullWaveNumerics,
    ) -> _Setup:
        frequency = solution.frequency_hz
        needle, incident = box.needle(trajectory), IncidentField.of(solution, antenna)
        eps, sigma = fine_cells(box, eps_cells, "eps_cells"), fine_cells(box, sigma_cells, "sigma_cells")
        check_tissue(eps, sigma)
        true_sigma = sigma
        cells = antenna_cells(box, trajectory, antenna, frequency)
        contrast: tuple[Field, Field] | None = None
        mean = medium_cells(box, needle, medium)
        sigma_medium = mean[1]
        if formulation == "contrast":
            fade = fade_in(box, choice.fade_mm) if choice.fade_mm > 0 else np.float32(1.0)
            eps, sigma = (m + fade * (v - m) for m, v in zip(mean, (eps, sigma), strict=True))
            mean, mixed = with_antenna(*mean, cells), with_antenna(eps, sigma, cells)
            contrast = mixed[0] - mean[0], mixed[1] - mean[1]
        else:
            mixed = with_antenna(eps, sigma, cells)
        material = edge_material(box.spacing_m, *mixed, cells.metal, frequency)
        del mixed, mean
        surface_m, reaction = None, 0j
        electric, magnetic = partial(incident.electric, needle), partial(incident.magnetic, needle)
        if contrast is not None:
            sources, reaction = contrast_sources(box.layers, box.spacing_m, frequency, *contrast, electric, cells.metal)
        else:
            surface_m = (antenna.shaft_radius_mm + choice.surface_mm) * 1e-3
            edges, faces = (
                tuple(within_surface(box.nodes, needle, c, surface_m, magnetic=kind) for c in range(3))
                for kind in (False, True)
            )
            sources = surface_sources(box.layers, box.spacing_m, edges, faces, electric, magnetic)
        del contrast
        problem = (
            None
            if sources.silent
            else yee_problem(material, sources, box.spacing_m, box.layers, edge_permittivity(eps))
        )
        memory = _memory_mb(problem)
        return _Setup(
            box,
            needle,
            incident,
            antenna,
            true_sigma,
            sigma_medium,
            cells,
            surface_m,
            reaction,
            problem,
            material.steps_per_period,
            memory,
        )

    def reaction_w(self, steady: Steady | None) -> complex:
        """Integral of the contrast's currents times the total field; 0 for other sources."""
        if steady is None or self.problem is None or self.surface_m is not None:
            return 0j
        from vertherm.applicator.fullwave.sampling import reaction_kernel

        rows = self.problem.electric
        marched = reaction_kernel(
            rows.first, rows.count, rows.offset, rows.re, rows.im, self.problem.gain, steady.phasors
        )
        # Rows hold -spacing * eta0 * gain * J.
        return complex(self.own_reaction_w - marched * self.box.spacing_m**2 / ETA_0)

    def powers(self, steady: Steady | None) -> Powers:
        """Densities inside the box from the marched phasors."""
        phasors = None if steady is None else steady.phasors
        if phasors is not None and self.surface_m is not None:
            phasors = total_field(phasors, self.box, self.needle, self.incident, self.cells.metal, self.surface_m)
        return densities(
            self.box, self.needle, self.incident, self.antenna, self.sigma, self.sigma_medium, phasors,
            add_incident=self.surface_m is None,
        )  # fmt: skip


def _memory_mb(problem: YeeProblem | None) -> float:
    """Fields, factors, currents, and two sets of phasors (the last is being made while the one before is kept)."""
    if problem is None:
        return 0.0
    nodes = float(np.prod(problem.nodes))
    rows = sum(r.re.nbytes + r.im.nbytes for r in (problem.electric, problem.magnetic))
    return (nodes * 4 * (6 + 6 + 12) + rows) / 1e6
