"""Tissue on the heat grid, finer than its cells: what heat and field solvers read their properties from.

Plain label voxels triple the error of the temperature. Every cell is therefore divided into s^3
sub-cells, each holding the tissue with the largest trilinear vote of the eight label voxels around it, so interfaces
are smooth surfaces instead of stairs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.constants import constants
from vertherm.materials.damage import ArrheniusModel, damage_models
from vertherm.materials.tissue import BONE_BY_HU, BONE_CLASSES, TissueProperties, bone_classes, tissue
from vertherm.materials.tissue_cells import Cells, cells_of

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TissueMap:
    """Tissues on an isotropic, RAS-aligned heat grid.

    Args:
        grid: the heat grid, shape (nx, ny, nz).
        subdivision: sub-cells per cell and axis, even, so that rays between cell centres see whole sub-cells.
        index: uint8, shape (s nx, s ny, s nz), entry in ``palette`` per sub-cell.
        palette: the tissues that occur.
        outside_image: bool, shape (nx, ny, nz): cells with a part that no image covers (assumed ``soft_tissue``).
    """

    grid: Grid
    subdivision: int
    index: NDArray[np.uint8]
    palette: tuple[TissueProperties, ...]
    outside_image: Bool

    def __post_init__(self) -> None:
        s = self.subdivision
        _check_subdivision(s)
        _check_heat_grid(self.grid)
        expected = tuple(s * n for n in self.grid.shape)
        if self.index.shape != expected or self.index.dtype != np.uint8:
            raise InputError(
                "A tissue map's index does not fit its grid.",
                got=f"{self.index.shape} {self.index.dtype}",
                expected=f"{expected} uint8",
            )
        if int(self.index.max()) >= len(self.palette):
            raise InputError(
                "A tissue map names tissues that its palette lacks.",
                got=int(self.index.max()),
                expected=len(self.palette),
            )

    @property
    def spacing_m(self) -> float:
        """Edge length of a cell in metres."""
        return float(self.grid.spacing_mm[0]) / 1000.0

    @property
    def fine_grid(self) -> Grid:
        """The grid of the sub-cells."""
        affine = self.grid.affine.copy()
        affine[:3, :3] /= self.subdivision
        affine[:3, 3] -= affine[:3, :3] @ np.full(3, 0.5 * (self.subdivision - 1))
        nx, ny, nz = self.index.shape
        return Grid((nx, ny, nz), affine, self.grid.frame)

    def holds(self, names: Collection[str]) -> Bool:
        """Sub-cells that hold one of the tissues ``names``; bool, shape of ``index``."""
        return self._is(*names).astype(bool)[self.index]

    def block_mean(self, fine: NDArray[Any]) -> Float32:
        """Mean over the sub-cells of each cell of an array of the shape of ``index``; float32, shape (nx, ny, nz)."""
        s, (nx, ny, nz) = self.subdivision, self.grid.shape
        blocks = fine.reshape(nx, s, ny, s, nz, s)
        return np.asarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32))

    def painted(self, where: Bool, medium: TissueProperties, over: Collection[str]) -> TissueMap:
        """The map with ``medium`` in those sub-cells ``where`` (shape of ``index``) that hold a tissue of ``over``.

        A medium of that name that is in the palette already is used as it is there.
        """
        names = [entry.name for entry in self.palette]
        palette = self.palette if medium.name in names else (*self.palette, medium)
        entry = names.index(medium.name) if medium.name in names else len(names)
        index = np.where(where & self.holds(over), np.uint8(entry), self.index)
        return replace(self, index=index, palette=palette)

    @property
    def _cells(self) -> Cells:
        return cells_of(self.index, self.subdivision, tuple(entry.name for entry in self.palette))

    def _of_palette(self, values: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (len(self.palette),):
            raise InputError("Give one value per palette entry.", got=array.shape, expected=(len(self.palette),))
        return array

    def cell_mean(self, values: Sequence[float] | NDArray[Any]) -> Float32:
        """Mean over the sub-cells of each cell of one value per palette entry; float32, shape (nx, ny, nz)."""
        array = self._of_palette(values)
        return self._cells.mean(array, np.ones_like(array))

    def tissue_mean(self, values: Sequence[float] | NDArray[Any]) -> Float32:
        """Like :meth:`cell_mean`, over the sub-cells that are not air; 0 in cells of air alone."""
        return self._cells.mean(self._of_palette(values), 1.0 - self._is("air"))

    def _is(self, *names: str) -> NDArray[np.float64]:
        return np.array([float(entry.name in names) for entry in self.palette])

    def fraction(self, names: Collection[str]) -> Float32:
        """Volume fraction of the tissues ``names`` in each cell, 0 to 1; float32, shape (nx, ny, nz)."""
        if isinstance(names, str):
            raise InputError("Give a collection of tissue names.", got=names, expected=f"[{names!r}]")
        return self._cells.fraction(names)

    def air_cells(self) -> Bool:
        """Cells that count as air: more than half of their volume is air. **Hold their temperature.**

        The other cells count as tissue throughout: their capacity and conduction are those of their tissue part, and
        heat passes to air cells by convection. So a surface lies on average where it is, to second order, and no cell
        has a vanishing capacity.
        """
        return self._cells.air.copy()

    def exterior_air(self) -> Bool:
        """Air cells of the room: connected regions of air that touch a cell with skin.

        Gas in bowel, lung or trachea is not of the room; hold it at body temperature. Without any skin in the map all
        gas counts as inner gas, which cools nothing (the safe side).
        """
        return self._cells.exterior_air.copy()

    def damage_index(self) -> tuple[NDArray[np.uint8], tuple[ArrheniusModel, ...]]:
        """Arrhenius model of each cell, as an index into the models returned beside it.

        The model with the largest share of the cell's living tissue; at equal shares the one that comes first.
        "none" only where a cell holds nothing alive: a cell half nerve, half CSF is scored as nerve.
        """
        models = damage_models()
        best = np.zeros(self.grid.shape, np.uint8)
        largest = np.zeros(self.grid.shape, np.float32)
        for number, model in enumerate(models):
            uses = np.array([float(entry.damage == model.id) for entry in self.palette])
            if model.valid_from_c is None or not uses.any():
                continue
            share = self.cell_mean(uses)
            better = share > largest + 1e-6
            best[better], largest[better] = number, share[better]
        return best, models

    def capacity(self) -> Float32:
        """Volumetric heat capacity in J/m3K of each cell's tissue, air left out; that of air in cells of air alone."""
        values = [entry.volumetric_heat_capacity for entry in self.palette]
        air = tissue("air").volumetric_heat_capacity
        mean = self.tissue_mean(values)
        return np.where(mean > 0, mean, np.float32(air)).astype(np.float32)

    def face_conductivities(self, convection_w_m2k: float | Float32) -> tuple[Float32, Float32, Float32]:
        """Effective conductivity in W/mK between the centres of neighbouring cells, per axis.

        Element i of the first array (shape (nx+1, ny, nz)) belongs to the face between cells i-1 and i; the outermost
        faces carry the edge cell's own conductivity. Between tissue cells: mean over the s^2 sub-rays of the harmonic
        mean along the ray (exact for layers across or along it). Between a tissue and an air cell (see
        :meth:`air_cells`): spacing / (half a cell of tissue / k + 1 / h), h corrected for the stairs that a slanting
        surface makes of cell faces. Between air cells: 0.

        Args:
            convection_w_m2k: the coefficient h; an array of the grid's shape says it for every tissue cell.

        Raises:
            InputError: the coefficient is negative or not finite, or has another shape.
        """
        from vertherm.materials import tissue_map_kernels as kernels

        convection = np.asarray(convection_w_m2k)
        if convection.shape not in ((), self.grid.shape):
            raise InputError("The convection does not fit the grid.", got=convection.shape, expected=self.grid.shape)
        if not (np.isfinite(convection).all() and (convection >= 0).all()):
            raise InputError("The convection coefficient is unusable.", got=convection.min(), expected="W/m2K, >= 0")
        resistivity = np.array([0.0 if e.name == "air" else 1.0 / e.conductivity for e in self.palette])
        air = self._cells.air
        film = (np.maximum(convection, 1e-12) * self._cells.staircase).astype(np.float32)
        strides = np.array([self.index.shape[1] * self.index.shape[2], self.index.shape[2], 1], dtype=np.int64)
        flat = np.ascontiguousarray(self.index).ravel()
        result = []
        for axis in range(3):
            shape = [n + (axis == a) for a, n in enumerate(self.grid.shape)]
            out = np.empty(shape, np.float32)
            kernels.faces(flat, strides, axis, self.subdivision, air, resistivity, film, self.spacing_m, out)
            result.append(out)
        return result[0], result[1], result[2]

    @staticmethod
    def from_volumes(
        grid: Grid,
        labels: Volume,
        names: Mapping[int, str],
        *,
        hu: Volume | None = None,
        subdivision: int = 2,
        outside: str = "soft_tissue",
    ) -> TissueMap:
        """Tissue map from a label volume.

        Args:
            grid: the heat grid, isotropic and aligned to RAS.
            labels: integer tissue codes on any grid of the same frame.
            names: tissue name of each code; "cancellous_bone" and "vertebra" become bone by CT number.
            hu: CT numbers on the labels' grid; None: such bone is plain "cancellous_bone".
            subdivision: sub-cells per cell and axis, even.
            outside: tissue assumed where there is no image.

        Raises:
            InputError: codes without a name, not integers, another grid for ``hu``, an unusable heat grid.
            MissingValueError: an unknown tissue name.
        """
        _check_subdivision(subdivision)
        _check_heat_grid(grid)
        codes = _checked_codes(labels, names)
        image = _checked_hu(hu, labels)
        palette, lut, bone = _full_palette(names, codes, by_hu=hu is not None, outside=outside)
        from vertherm.materials import tissue_map_kernels as kernels

        s = subdivision
        index = np.empty(tuple(s * n for n in grid.shape), np.uint8)
        missing = np.zeros(grid.shape, bool)
        low, high = constants("hu_yellow_marrow").value, constants("hu_cortical").value
        kernels.sample_tissues(
            np.ascontiguousarray(labels.data, dtype=np.int32),
            image,
            _sub_point_to_voxel(grid, labels.grid, s),
            s,
            lut,
            bone,
            low,
            (high - low) / (BONE_CLASSES - 1),
            len(palette) - BONE_CLASSES,
            BONE_CLASSES,
            0,
            index,
            missing,
        )
        used = np.flatnonzero(np.bincount(index.ravel(), minlength=len(palette)))
        shrink = np.zeros(len(palette), np.uint8)
        shrink[used] = np.arange(used.size)
        return TissueMap(grid, s, shrink[index], tuple(palette[i] for i in used), missing)


def _check_subdivision(s: int) -> None:
    if s < 2 or s % 2:
        raise InputError("The subdivision of a tissue map is unusable.", got=s, expected="an even number >= 2")


def _check_heat_grid(grid: Grid) -> None:
    spacing = float(grid.affine[0, 0])
    if spacing <= 0 or not np.allclose(grid.affine[:3, :3], spacing * np.eye(3), atol=1e-6):
        raise InputError(
            "The heat grid is not isotropic and aligned to the RAS axes.",
            got=grid.affine[:3, :3].tolist(),
            expected="spacing times the identity",
            advice="make it with Grid.isotropic",
        )


def _checked_codes(labels: Volume, names: Mapping[int, str]) -> list[int]:
    if not np.issubdtype(labels.data.dtype, np.integer):
        raise InputError(
            "Tissue codes are not integers.", where=labels.source, got=labels.data.dtype, expected="integers"
        )
    low, high = int(labels.data.min()), int(labels.data.max())
    if low < 0 or high > 65535:
        raise InputError(
            "Tissue codes are out of range.", where=labels.source, got=f"{low} to {high}", expected="0 to 65535"
        )
    codes = np.flatnonzero(np.bincount(labels.data.ravel().astype(np.int64))).tolist()
    unknown = [code for code in codes if code not in names]
    if unknown:
        raise InputError(
            "Tissue codes have no name.",
            where=labels.source,
            got=unknown,
            expected=f"one of {sorted(names)}",
            advice="add them to the names, or choose the right label vocabulary",
        )
    return codes


def _checked_hu(hu: Volume | None, labels: Volume) -> Float32:
    if hu is None:
        return np.zeros((1, 1, 1), np.float32)
    if not hu.grid.same_as(labels.grid):
        raise InputError(
            "The CT numbers are on another grid than the tissue codes.",
            where=hu.source,
            got=hu.grid.shape,
            expected=labels.grid.shape,
            advice="resample the labels to the CT first",
        )
    return np.ascontiguousarray(hu.data, dtype=np.float32)


def _full_palette(
    names: Mapping[int, str], codes: list[int], *, by_hu: bool, outside: str
) -> tuple[list[TissueProperties], NDArray[np.uint8], Bool]:
    """Palette (outside tissue first, bone classes last), code to palette entry, and which codes are bone by HU."""
    palette = [tissue(outside)]
    entry = {outside: 0}
    lut = np.zeros(max(codes) + 1, np.uint8)
    bone = np.zeros(max(codes) + 1, bool)
    for code in codes:
        name = names[code]
        bone[code] = by_hu and name in BONE_BY_HU
        key = "cancellous_bone" if name in BONE_BY_HU else name
        if key not in entry:
            entry[key] = len(palette)
            palette.append(tissue(key))
        lut[code] = entry[key]
    return [*palette, *bone_classes()], lut, bone


def _sub_point_to_voxel(heat: Grid, voxels: Grid, s: int) -> NDArray[np.float64]:
    """(3, 4) matrix from sub-cell index to voxel index of the labels."""
    sub = np.diag([1.0 / s, 1.0 / s, 1.0 / s, 1.0])
    sub[:3, 3] = 0.5 / s - 0.5
    return np.ascontiguousarray((np.linalg.inv(voxels.affine) @ heat.affine @ sub)[:3])
