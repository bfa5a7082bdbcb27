"""Small driven blocks for the validation of the full wave: each returns errors against a closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.applicator.antenna import MU_0
from vertherm.applicator.fullwave.march import Steady, march
from vertherm.applicator.fullwave.material import edge_material
from vertherm.applicator.fullwave.sources import NOTHING, Sources, contrast_sources, surface_sources
from vertherm.applicator.fullwave.yee import edge_permittivity, yee_problem
from vertherm.validation import multipoles
from vertherm.validation.multipoles import Array, Complex, Sphere, wave_number

FREQUENCY_HZ = 2.45e9
LIVER, BONE, FLUID = (43.03, 1.69), (18.5, 0.805), (66.2, 3.46)
"""Permittivity and conductivity (S/m): case B's liver, cancellous bone, cerebrospinal fluid."""
LAYERS = 8
Tissue = tuple[float, float]


@dataclass(frozen=True)
class Errors:
    """Relative L2 errors of the complex E and of |E|^2 over the points compared, by region."""

    field: float
    square: float


@dataclass(frozen=True, eq=False)
class Block:
    """A cube of ``half`` metres to every side of the origin in cells of ``spacing`` metres, and absorbing layers."""

    half: float
    spacing: float

    @property
    def cells(self) -> int:
        """Cells along an edge, with the layers."""
        return 2 * round(self.half / self.spacing) + 2 * LAYERS

    @property
    def nodes(self) -> tuple[int, int, int]:
        """Shape of the field arrays."""
        return (self.cells + 1,) * 3

    def line(self, shift: float = 0.0) -> Array:
        """Coordinates of all nodes along an axis in metres, ``shift`` cells further."""
        return np.asarray((np.arange(self.cells + 1) - self.cells / 2 + shift) * self.spacing, dtype=np.float64)

    def at(self, index: NDArray[np.int32], component: int, *, face: bool = False) -> Array:
        """Middles of edges (or faces) in metres."""
        shift = 0.5 * (1 - np.eye(3)) if face else 0.5 * np.eye(3)
        return (index - self.cells / 2 + shift[component]) * self.spacing

    def uniform(self, value: float) -> NDArray[np.float32]:
        """One value on all cells."""
        return np.full((self.cells,) * 3, value, dtype=np.float32)

    def share(self, inside: Callable[[Array], NDArray[np.bool_]], subs: int = 5) -> NDArray[np.float32]:
        """Share of every cell that lies inside a shape, from ``subs``^3 points."""
        out = np.zeros((self.cells,) * 3, dtype=np.float32)
        ticks = (np.arange(subs) + 0.5) / subs
        lines = [self.line(t)[:-1] for t in ticks]
        for x in lines:
            for y in lines:
                for z in lines:
                    out += inside(np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1))
        return np.asarray(out / subs**3, dtype=np.float32)

    def run(self, eps: NDArray[np.float32], sigma: NDArray[np.float32], sources: Sources) -> Steady:
        """March on one thread."""
        material = edge_material(self.spacing, eps, sigma, None, FREQUENCY_HZ)
        problem = yee_problem(material, sources, self.spacing, LAYERS, edge_permittivity(eps))
        return march(problem, tolerance=5e-4)

    def compare(
        self, steady: Steady, exact: Callable[[Array], Complex], chosen: Callable[[Array], NDArray[np.bool_]],
        known: Callable[[Array], Complex] | None = None,
    ) -> Errors:  # fmt: skip
        """Errors at the edges that ``chosen`` picks; ``known`` is added to the marched field."""
        wrong, size, wrong2, size2 = 0.0, 0.0, 0.0, 0.0
        for c in range(3):
            index = np.argwhere(np.ones(self.nodes, dtype=bool)).astype(np.int32)
            points = self.at(index, c)
            keep = chosen(points) & (np.abs(points) < self.half - self.spacing).all(axis=1)
            index, points = index[keep], points[keep]
            got = steady.phasors[c][tuple(index.T)] + (0 if known is None else known(points)[:, c])
            true = exact(points)[:, c]
            wrong += float((np.abs(got - true) ** 2).sum())
            size += float((np.abs(true) ** 2).sum())
            wrong2 += float(((np.abs(got) ** 2 - np.abs(true) ** 2) ** 2).sum())
            size2 += float((np.abs(true) ** 4).sum())
        return Errors(float(np.sqrt(wrong / size)), float(np.sqrt(wrong2 / size2)))


def shell(low_m: float, high_m: float, centre: tuple[float, float, float] = (0, 0, 0)) -> Callable[[Array], NDArray]:
    """Points between two distances from a centre."""

    def chosen(points: Array) -> NDArray[np.bool_]:
        distance = np.linalg.norm(points - np.array(centre), axis=-1)
        return np.asarray((distance >= low_m) & (distance <= high_m))

    return chosen


def dipole_in_liver(spacing_mm: float = 0.5, half_mm: float = 16.0) -> Errors:
    """One driven edge (1 A m) in liver against the closed form between 5 and 15 mm."""
    block = Block(half_mm * 1e-3, spacing_mm * 1e-3)
    middle = block.cells // 2
    one = (np.array([[middle, middle, middle]], np.int32), np.array([1.0 / block.spacing**3], np.complex64))
    steady = block.run(block.uniform(LIVER[0]), block.uniform(LIVER[1]), Sources((*NOTHING[:2], one), NOTHING))
    k = wave_number(FREQUENCY_HZ, *LIVER)
    at = np.array([0.0, 0.0, 0.5 * block.spacing])
    return block.compare(
        steady, lambda p: multipoles.dipole(p - at, k, FREQUENCY_HZ)[0], shell(5e-3, min(15e-3, block.half))
    )


def plane_wave_in_liver(spacing_mm: float = 1.0, half_mm: float = 14.0, box_mm: float = 10.0) -> tuple[Errors, float]:
    """A plane wave put in through a closed box: errors inside, and the largest field that leaks out (1 V/m inside)."""
    block = Block(half_mm * 1e-3, spacing_mm * 1e-3)
    k = wave_number(FREQUENCY_HZ, *LIVER)
    eta = 2 * np.pi * FREQUENCY_HZ * MU_0 / k

    def electric(c: int, index: NDArray[np.int32]) -> NDArray[np.complex64]:
        return np.asarray(multipoles.plane_wave(block.at(index, c), k)[:, c], dtype=np.complex64)

    def magnetic(c: int, index: NDArray[np.int32]) -> NDArray[np.complex64]:
        wave = multipoles.plane_wave(block.at(index, c, face=True), k)[:, 0] / eta
        return np.asarray(wave if c == 1 else 0 * wave, dtype=np.complex64)

    def beyond(c: int, *, face: bool) -> NDArray[np.bool_]:
        index = np.argwhere(np.ones(block.nodes, dtype=bool)).astype(np.int32)
        outside = (np.abs(block.at(index, c, face=face)) > (box_mm - 0.25 * spacing_mm) * 1e-3).any(axis=1)
        return np.asarray(outside.reshape(block.nodes))

    edges, faces = (tuple(beyond(c, face=face) for c in range(3)) for face in (False, True))
    sources = surface_sources(LAYERS, block.spacing, edges, faces, electric, magnetic)
    steady = block.run(block.uniform(LIVER[0]), block.uniform(LIVER[1]), sources)
    inner = (box_mm - 1.5 * spacing_mm) * 1e-3
    errors = block.compare(
        steady, lambda p: multipoles.plane_wave(p, k), lambda p: np.asarray((np.abs(p) < inner).all(axis=-1))
    )
    leak = max(float(np.abs(np.where(edges[c], steady.phasors[c], 0)).max()) for c in range(3))
    # Relative to the wave's largest value inside: it decays along z.
    return errors, leak / float(np.exp(abs(k.imag) * box_mm * 1e-3))


def sphere(
    kind: str, spacing_mm: float = 1.0, radius_mm: float = 7.0, half_mm: float = 12.0, distance_mm: float = 14.0
) -> tuple[Errors, Errors]:
    """A sphere of cerebrospinal fluid in bone: errors of the total field inside it and between it and 11 mm.

    Args:
        kind: "plane wave", or "dipole" (a radial one at ``distance_mm`` from the centre: the canal beside the needle).
        spacing_mm, radius_mm, half_mm, distance_mm: sizes.
    """
    block, radius, distance = Block(half_mm * 1e-3, spacing_mm * 1e-3), radius_mm * 1e-3, distance_mm * 1e-3
    k, k_inside = wave_number(FREQUENCY_HZ, *BONE), wave_number(FREQUENCY_HZ, *FLUID)
    exact = Sphere(radius, k_inside, k)
    source = np.array([0.0, 0.0, distance])

    def known(points: Array) -> Complex:
        if kind == "plane wave":
            return multipoles.plane_wave(points, k)
        return multipoles.dipole(points - source, k, FREQUENCY_HZ)[0]

    def total(points: Array) -> Complex:
        return (
            exact.in_plane_wave(points) if kind == "plane wave" else exact.beside_dipole(points, distance, FREQUENCY_HZ)
        )

    share = block.share(lambda p: np.linalg.norm(p, axis=-1) <= radius)
    contrast = [np.float32(a - b) * share for a, b in zip(FLUID, BONE, strict=True)]
    sources, _ = contrast_sources(
        LAYERS, block.spacing, FREQUENCY_HZ, contrast[0], contrast[1],
        lambda c, index: np.asarray(known(block.at(index, c))[:, c], np.complex64),
    )  # fmt: skip
    steady = block.run(np.float32(BONE[0]) + contrast[0], np.float32(BONE[1]) + contrast[1], sources)
    skin = 1.0e-3
    inside = block.compare(steady, total, shell(0.0, radius - skin), known)
    return inside, block.compare(steady, total, shell(radius + skin, 11e-3), known)
