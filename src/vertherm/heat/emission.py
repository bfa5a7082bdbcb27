"""The antennas in this patient: dielectric state in, power density and power at each antenna out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import LIGHT_M_S, Antenna
from vertherm.applicator.axisymmetric import AxisymmetricModel, AxisymmetricSolution
from vertherm.applicator.cache import SolutionCache
from vertherm.applicator.deposition import Deposition
from vertherm.applicator.power import PowerChain
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.member import Member
from vertherm.heat.setup import Emitter, Setup
from vertherm.materials.drying import dried, drying

ABOVE_MM = 10.0
"""The computing domain reaches this much farther up the shaft than around it: some power creeps back along it."""


WAVES = 1.6
MUSCLE_PERMITTIVITY = 55.0
"""The field's domain reaches at least this many wavelengths in muscle: 71 mm at 915 MHz, where the absorbing boundary
then leaves |E|^2 within 2 % (root mean square, tuned antennas) of a domain twice as large (docs/theory/deposition.md).
At 2.45 GHz the heat grid asks for more."""


def field_reach_mm(setup: Setup, frequency_hz: float) -> float:
    """Radius of the field's domain around a needle, and how far it reaches below the tip."""
    wave_mm = 1e3 * LIGHT_M_S / frequency_hz / MUSCLE_PERMITTIVITY**0.5
    return max(setup.reach_mm, WAVES * wave_mm)


@dataclass(frozen=True, eq=False)
class _Port:
    """What stays the same of one emitter over all members: mesh, weights, dielectric properties at 37 degC."""

    model: AxisymmetricModel
    deposition: Deposition
    eps: NDArray[np.float32]
    sigma: NDArray[np.float32]


class _ByValue:
    """An antenna or a grid as part of a cache's key: equal where its content is."""

    def __init__(self, content: object, key: Hashable) -> None:
        self.content, self._key = content, key

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByValue) and self._key == other._key


# Sampled setups of an ensemble share antenna and grid: mesh and weights are made once a process, not once a member.
@lru_cache(maxsize=4)
def _model(antenna: _ByValue, frequency_hz: float, reach_mm: float) -> AxisymmetricModel:
    assert isinstance(antenna.content, Antenna)
    return AxisymmetricModel(
        antenna.content, frequency_hz, radius_mm=reach_mm, below_mm=reach_mm, above_mm=reach_mm + ABOVE_MM
    )


@lru_cache(maxsize=4)
def _deposition(grid: _ByValue, needle: _ByValue, antenna: _ByValue, reach_mm: float) -> Deposition:
    assert isinstance(grid.content, Grid)
    assert isinstance(needle.content, Trajectory)
    assert isinstance(antenna.content, Antenna)
    return Deposition(
        grid.content,
        needle.content,
        antenna.content.shaft_radius_mm,
        reach_mm=reach_mm,
        axial_mm=(-reach_mm, reach_mm + ABOVE_MM),
        outline_mm=antenna.content.outer_radius_mm,
    )


@lru_cache(maxsize=1)
def _ports(setup: Setup) -> tuple[_Port, ...]:
    """One port an emitter; emitters of the same antenna and frequency share the mesh."""
    tissues: dict[float, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    ports = []
    for emitter in setup.emitters:
        reach = field_reach_mm(setup, emitter.frequency_hz)
        antenna, needle, cells = emitter.antenna, emitter.trajectory, setup.tissue.grid
        by_value = _ByValue(antenna, antenna.key)
        if emitter.frequency_hz not in tissues:
            values = np.array([p.permittivity(emitter.frequency_hz) for p in setup.tissue.palette])
            tissues[emitter.frequency_hz] = (
                setup.tissue.cell_mean(values[:, 0]),
                setup.tissue.cell_mean(values[:, 1]),
            )
        deposition = _deposition(
            _ByValue(cells, (cells.shape, cells.affine.tobytes())),
            _ByValue(needle, (needle.tip_mm.tobytes(), needle.axis.tobytes())),
            by_value,
            reach,
        )
        ports.append(_Port(_model(by_value, emitter.frequency_hz, reach), deposition, *tissues[emitter.frequency_hz]))
    return tuple(ports)


@dataclass(frozen=True, eq=False)
class Emitted:
    """One emitter solved for the tissue as it is now.

    Args:
        emitter: which.
        deposition: between its needle and the heat grid.
        solution: per watt forward.
        sigma: conductivity of the cells now, S/m.
        q: power density in W/m3 per watt forward, with efficiency and redistribution.
        absorbed_w: absorbed per watt forward, with both.
        correction: factor of the renormalisation on its power density.
    """

    emitter: Emitter
    deposition: Deposition
    solution: AxisymmetricSolution
    sigma: NDArray[np.float32]
    q: NDArray[np.float32]
    absorbed_w: float
    correction: float


@dataclass(frozen=True, eq=False)
class Heating:
    """What a group of antennas gives at given powers.

    Args:
        emitted: the antennas.
        forward_w: forward power of each, in their order.
        q: heat source in W/m3, (nx, ny, nz).
        coupling: factor that brought fields added in phase to the power the antennas give; 1 where powers add.
    """

    emitted: tuple[Emitted, ...]
    forward_w: tuple[float, ...]
    q: NDArray[np.float32]
    coupling: float = 1.0


class Emission:
    """The antennas of one member."""

    def __init__(self, setup: Setup, member: Member) -> None:
        self.setup, self.member = setup, member
        self._ports = _ports(setup)

    def solve(self, solver: BioheatSolver, firing: Sequence[int]) -> list[Emitted]:
        """Solve the emitters at the places ``firing`` for the tissue as it is now."""
        factors = drying(self.member.drying, self.setup.drying).factors(
            solver.temperature_c, solver.latent_fraction_max
        )
        tissues: dict[float, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        found = []
        for place in firing:
            emitter, port = self.setup.emitters[place], self._ports[place]
            if emitter.frequency_hz not in tissues:
                eps, sigma = dried(port.eps, port.sigma, factors)
                tissues[emitter.frequency_hz] = eps.astype(np.float32), sigma.astype(np.float32)
            found.append(_solved(emitter, port, *tissues[emitter.frequency_hz], first=solver.time_s == 0.0))
        return found

    def heating(self, emitted: Sequence[Emitted], forward_w: Sequence[float]) -> Heating:
        """Heat source of the whole group at these forward powers."""
        total = emitted[0].q * np.float32(forward_w[0])
        for one, power in zip(emitted[1:], forward_w[1:], strict=True):
            total += one.q * np.float32(power)
        coupling = 1.0
        given = float(total.sum(dtype=np.float64))
        if self.setup.coherent and len(emitted) > 1 and given > 0.0:
            total += interference_w_m3(emitted, forward_w)
            # Forward waves are given, not currents: matched antennas that couple draw other currents, and what they
            # absorb together changes in second order of the coupling only (docs/theory/deposition.md).
            coupling = given / float(total.sum(dtype=np.float64))
            total *= np.float32(coupling)
        if self.member.sar_factor != 1.0:
            total.reshape(-1)[self.setup.neural_cells] *= self.member.sar_factor
        return Heating(tuple(emitted), tuple(forward_w), total, coupling)


def _solved(
    emitter: Emitter, port: _Port, eps: NDArray[np.float32], sigma: NDArray[np.float32], *, first: bool
) -> Emitted:
    """Solve one emitter in tissue of these dielectric properties."""
    medium = port.deposition.azimuthal_mean(eps, sigma)
    # The first solve is the same for all members and for every later run of the case: kept on disk.
    solution = SolutionCache().solve(port.model, medium) if first else port.model.solve(medium)
    deposited = port.deposition.deposit(solution, sigma)
    q, absorbed_w = deposited.q, solution.absorbed_w
    if emitter.redistribution is not None:
        before = float(q.sum(dtype=np.float64))
        q *= emitter.redistribution
        absorbed_w *= float(q.sum(dtype=np.float64)) / before if before > 0 else 1.0
    if emitter.efficiency != 1.0:
        q *= np.float32(emitter.efficiency)
    absorbed_w *= emitter.efficiency
    return Emitted(emitter, port.deposition, solution, sigma, q, absorbed_w, deposited.correction)


def interference_w_m3(emitted: Sequence[Emitted], forward_w: Sequence[float]) -> NDArray[np.float32]:
    """Heat of fields in phase beyond the sum of their powers, W/m3, (nx, ny, nz); negative where they cancel.

        0.5 sigma (|sum_i f_i <E_i>|^2 - sum_i |f_i <E_i>|^2)

    with f_i the square root of forward power, efficiency, redistribution and renormalisation, at its phase, and <E_i>
    the mean phasor of a cell. Added to the powers of the single antennas, each a mean of |E_i|^2 over a cell, this is
    0.5 sigma <|E|^2> wherever at most one of the fields changes much within the cell. 52 bytes a cell while it runs.
    """
    from vertherm.applicator.deposition_kernels import add_in_phase, interference

    size = emitted[0].q.size
    total, alone = np.zeros((size, 3), np.complex64), np.zeros(size, np.float32)
    for one, power in zip(emitted, forward_w, strict=True):
        amplitude = np.sqrt(power * one.emitter.efficiency * one.correction)
        factor = np.complex64(amplitude * np.exp(1j * np.deg2rad(one.emitter.phase_deg)))
        moved = one.emitter.redistribution
        scale = np.ones(1, np.float32) if moved is None else np.sqrt(moved, dtype=np.float32).reshape(-1)
        add_in_phase(one.deposition.vector_field(one.solution), factor, scale, total, alone)
    out = np.empty(size, np.float32)
    interference(total, alone, np.ascontiguousarray(emitted[0].sigma).reshape(-1), out)
    return out.reshape(emitted[0].q.shape)


def forward_w(given_w: float, member: Member, setup: Setup, emitted: Emitted) -> float:
    """Forward power at one antenna from the given power, as the member reads it.

    A generator setting first loses what the cable takes. "net" members hold the net power: reflection is made up for.
    """
    chain = PowerChain.of(emitted.solution, emitted.emitter.antenna.cable_loss_db.value)
    given_w = given_w * setup.power_factor
    at_antenna = given_w * chain.forward_per_set if setup.power_kind == "set" else given_w
    return chain.budget(at_antenna, member.power).forward_w
