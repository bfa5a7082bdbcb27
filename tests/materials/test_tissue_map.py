"""The tissue map: smooth interfaces, series and parallel conduction, convection, storage order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from vertherm.core.errors import InputError, MissingValueError
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.tissue import cancellous_by_hu, tissue
from vertherm.materials.tissue_map import TissueMap

K_MUSCLE, K_FAT = tissue("muscle").conductivity, tissue("fat").conductivity
NAMES = {0: "air", 1: "muscle", 2: "fat", 3: "cancellous_bone", 4: "skin", 5: "csf", 6: "nerve"}


def volume_of(function, lower, upper, spacing, dtype=np.uint8):
    grid = Grid.isotropic(np.asarray(lower, float), np.asarray(upper, float), spacing)
    return Volume(function(grid.centres()).astype(dtype), grid)


def half_space(normal, offset, low=1, high=2, spacing=0.25, size=6.0):
    """Labels ``low`` below and ``high`` above the plane normal.x = offset, on a cube from 0 to ``size`` mm."""
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    return volume_of(lambda x: np.where(x @ n < offset, low, high), [0, 0, 0], [size] * 3, spacing)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("subdivision", [2, 4, 8])
def test_layers_across_the_ray_resist_in_series(axis, subdivision):
    """Slab of muscle then fat, interface at 2.75 mm, 6 cells of 1 mm: resistance between the first and last cell centre
    = (2.75-0.5)/k_m + (5.5-2.75)/k_f. Sub-cells place the interface to half a sub-cell: 0.5/s mm |1/k_m - 1/k_f|; where
    sub-cell faces meet it (s = 4, 8) the sum is exact to float32."""
    normal = np.eye(3)[axis]
    labels = half_space(normal, 2.75)
    tissue_map = TissueMap.from_volumes(
        Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), labels, NAMES, subdivision=subdivision
    )
    k = np.moveaxis(tissue_map.face_conductivities(10.0)[axis], axis, 0)[1:-1, 2, 2].astype(float)
    got, expected = (1.0 / k).sum(), 2.25 / K_MUSCLE + 2.75 / K_FAT
    allowed = 1e-5 if subdivision > 2 else 0.5 / subdivision * abs(1 / K_MUSCLE - 1 / K_FAT) + 1e-5
    assert abs(got - expected) <= allowed


def test_layers_along_the_ray_conduct_in_parallel():
    """Interface at y = 2.75: in the cell from 2 to 3 the conductivity along x is 0.75 k_m + 0.25 k_f (s = 4: exact)."""
    tissue_map = TissueMap.from_volumes(
        Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), half_space([0, 1, 0], 2.75), NAMES, subdivision=4
    )
    kx, ky, kz = tissue_map.face_conductivities(10.0)
    assert kx.shape == (7, 6, 6)
    assert ky.shape == (6, 7, 6)
    assert kz.shape == (6, 6, 7)
    np.testing.assert_allclose(kx[:, 2, :], 0.75 * K_MUSCLE + 0.25 * K_FAT, rtol=1e-6)
    np.testing.assert_allclose(kz[:, 2, :], 0.75 * K_MUSCLE + 0.25 * K_FAT, rtol=1e-6)
    np.testing.assert_allclose(kx[:, 1, :], K_MUSCLE, rtol=1e-6)


def test_outermost_faces_carry_the_edge_cells_own_conductivity():
    tissue_map = TissueMap.from_volumes(
        Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), half_space([1, 0, 0], 2.75), NAMES
    )
    kx = tissue_map.face_conductivities(10.0)[0]
    np.testing.assert_allclose(kx[0], K_MUSCLE, rtol=1e-6)
    np.testing.assert_allclose(kx[-1], K_FAT, rtol=1e-6)


def _steady(faces, fixed, values):
    """Steady temperature with face conductivities and fixed cells."""
    shape = fixed.shape
    number = np.arange(fixed.size).reshape(shape)
    rows, columns, entries = [], [], []
    for axis in range(3):
        k = np.moveaxis(faces[axis], axis, 0)[1:-1].ravel().astype(float)
        a = np.moveaxis(number, axis, 0)[:-1].ravel()
        b = np.moveaxis(number, axis, 0)[1:].ravel()
        for i, j in ((a, b), (b, a)):
            rows += [i, i]
            columns += [i, j]
            entries += [k, -k]
    matrix = coo_matrix((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))).tocsr()
    free = ~fixed.ravel()
    solution = values.ravel().astype(float).copy()
    right = -matrix[free][:, ~free] @ solution[~free]
    solution[free] = spsolve(matrix[free][:, free].tocsc(), right)
    return solution.reshape(shape)


def test_slanting_interface_converges_with_subdivision_and_beats_label_voxels():
    """Interface between muscle and fat tilted 27 degrees to the grid, exact steady field: linear in the distance d from
    the interface, gradient 1/k on each side; imposed on the outer cells. Cells 1 mm. The mean error of the inner cells
    must fall by a third at least from label voxels (a cell is one tissue) to s = 2, and by a third again to s = 4
    (measured 0.079, 0.052, 0.023 mm/k)."""
    n = np.array([2.0, 1.0, 0.0]) / np.sqrt(5.0)
    size = 20.0
    grid = Grid.isotropic(np.zeros(3), np.array([size, size, 1.0]), 1.0)
    fine = Grid.isotropic(np.zeros(3), np.array([size, size, 1.0]), 0.1)
    offset = 13.3
    labels = Volume(np.where(fine.centres() @ n < offset, 1, 2).astype(np.uint8), fine)
    coarse = Volume(np.where(grid.centres() @ n < offset, 1, 2).astype(np.uint8), grid)
    d = grid.centres() @ n - offset
    exact = np.where(d < 0, d / K_MUSCLE, d / K_FAT)
    fixed = np.ones(grid.shape, bool)
    fixed[1:-1, 1:-1] = False

    def error(source, subdivision, by_voxel=False):
        tissue_map = TissueMap.from_volumes(grid, source, NAMES, subdivision=subdivision)
        if by_voxel:
            index = np.repeat(np.repeat(np.repeat(source.data - 1, 2, 0), 2, 1), 2, 2).astype(np.uint8)
            palette = (tissue("muscle"), tissue("fat"))
            tissue_map = TissueMap(grid, 2, index, palette, tissue_map.outside_image)
        return np.abs(_steady(tissue_map.face_conductivities(10.0), fixed, exact) - exact)[~fixed].mean()

    stairs, two, four = error(coarse, 2, by_voxel=True), error(labels, 2), error(labels, 4)
    assert two < 0.67 * stairs
    assert four < 0.67 * two


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("surface", [3.05, 3.25, 3.5, 3.75, 3.95])
def test_convection_wherever_the_surface_cuts_the_cells(surface, mirrored):
    """Tissue below x = surface, air above (or mirrored), h = 20 W/m2K: resistance between the centre of the first cell
    and the air is L/k + 1/h whatever the position in the cell. The staircase places the surface on a cell face,
    at most 0.5 mm off, and sub-cells to 0.25 mm: resistance within (0.5 mm)/k, 2 % of the film's here."""
    labels = half_space([1, 0, 0], surface, low=1, high=0, spacing=0.05, size=6.0)
    if mirrored:
        labels = labels.with_data(labels.data[::-1])
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), labels, NAMES)
    kx, ky, _ = tissue_map.face_conductivities(20.0)
    air = tissue_map.air_cells()
    if mirrored:
        kx, ky, air = kx[::-1], ky[::-1], air[::-1]
    last = int(np.flatnonzero(~air[:, 3, 3])[-1])
    resistance = (1e-3 / kx[1 : last + 2, 3, 3].astype(float)).sum()
    expected = (surface - 0.5) * 1e-3 / K_MUSCLE + 1 / 20.0
    assert abs(resistance - expected) <= 0.5e-3 / K_MUSCLE + 1e-6
    # Air to air nothing, along the surface the tissue's own conductivity.
    assert (kx[last + 2 :] == 0).all()
    np.testing.assert_allclose(ky[last, 1:-1], K_MUSCLE, rtol=1e-6)


@pytest.mark.parametrize("normal", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (3, 2, 1)])
def test_convective_area_of_a_slanting_surface_is_its_true_area(normal):
    """Sum of the convective face conductances over a plane of known area = h area; the raw staircase would give up to
    73 % too much (normal 1,1,1). 3 % for the digital plane's scatter at 1 mm and the film's series tissue path."""
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    size = 40.0
    labels = volume_of(lambda x: np.where((x - size / 2) @ n < 0.1, 1, 0), [0, 0, 0], [size] * 3, 0.5)
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, size), 1.0), labels, NAMES)
    air = tissue_map.air_cells()
    h = 5.0
    centres = tissue_map.grid.centres() - size / 2
    # Count the faces whose tissue cell projects into a disc on the plane, away from the border.
    total = 0.0
    radius = 10.0
    across = np.linalg.norm(centres - (centres @ n)[..., None] * n, axis=-1)
    for axis, k in enumerate(tissue_map.face_conductivities(h)):
        k_inner = np.moveaxis(k, axis, 0)[1:-1]
        a, b = np.moveaxis(air, axis, 0)[:-1], np.moveaxis(air, axis, 0)[1:]
        r = np.moveaxis(across, axis, 0)
        radial = np.where(a, r[1:], r[:-1])
        total += float(k_inner[(a != b) & (radial < radius)].sum()) * 1e-3
    expected = h * np.pi * (radius * 1e-3) ** 2
    assert total == pytest.approx(expected, rel=0.03)


def test_surface_cells_have_the_capacity_of_tissue():
    """A cell three quarters tissue counts as tissue throughout: capacity rho c of muscle, not three quarters of it."""
    labels = half_space([1, 0, 0], 3.75, low=1, high=0)
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), labels, NAMES, subdivision=4)
    np.testing.assert_allclose(tissue_map.fraction(["air"])[3], 0.25)
    np.testing.assert_allclose(tissue_map.capacity()[:4], tissue("muscle").volumetric_heat_capacity, rtol=1e-6)
    np.testing.assert_allclose(tissue_map.capacity()[4:], tissue("air").volumetric_heat_capacity, rtol=1e-6)
    assert not tissue_map.air_cells()[3].any()
    assert tissue_map.air_cells()[4:].all()


def test_capacity_and_means_are_volume_means():
    tissue_map = TissueMap.from_volumes(
        Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), half_space([0, 0, 1], 2.5), NAMES
    )
    half = 0.5 * (tissue("muscle").volumetric_heat_capacity + tissue("fat").volumetric_heat_capacity)
    np.testing.assert_allclose(tissue_map.capacity()[:, :, 2], half, rtol=1e-6)
    np.testing.assert_allclose(tissue_map.fraction(["fat"])[:, :, 2], 0.5)
    np.testing.assert_allclose(tissue_map.fraction(["fat", "muscle"]), 1.0)
    assert tissue_map.fraction(["kidney"]).max() == 0


def test_sphere_of_coarse_labels_keeps_its_volume():
    """Sphere of radius 8 mm in 1.5 mm labels (their own count is the reference), heat cells of 1 mm: trilinear voting
    keeps the volume to 2 %, and the true 2144.7 mm3 to 3 %."""
    labels = volume_of(lambda x: np.where(np.linalg.norm(x - 15.2, axis=-1) < 8, 2, 1), [0, 0, 0], [30.0] * 3, 1.5)
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.full(3, 4.0), np.full(3, 26.0), 1.0), labels, NAMES)
    got = float(tissue_map.fraction(["fat"]).sum())
    assert got == pytest.approx(float((labels.data == 2).sum()) * 1.5**3, rel=0.02)
    assert got == pytest.approx(4 / 3 * np.pi * 512, rel=0.03)


def test_interface_between_voxels_is_smooth_not_stairs():
    """A plane at 45 degrees in 2 mm labels: voting cuts corners, so the fat's sub-cells stay within 0.6 mm of the
    plane, where plain nearest labels reach more than 1.0 mm."""
    n = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    labels = volume_of(lambda x: np.where(x @ n < 14.0, 1, 2), [0, 0, 0], [20.0] * 3, 2.0)
    grid = Grid.isotropic(np.full(3, 4.0), np.full(3, 16.0), 1.0)
    tissue_map = TissueMap.from_volumes(grid, labels, NAMES, subdivision=4)
    sub = Grid.isotropic(np.full(3, 4.0), np.full(3, 16.0), 0.25)
    fat = np.array([entry.name == "fat" for entry in tissue_map.palette])[tissue_map.index]
    d = sub.centres() @ n - 14.0
    assert max(-d[fat].min(), d[~fat].max()) < 0.6
    nearest = labels.sample(sub.centres(), order=0) == 2
    assert max(-d[nearest].min(), d[~nearest].max()) > 1.0


def _patient():
    rng = np.random.default_rng(4)
    grid = Grid((14, 12, 10), np.array([[1.5, 0, 0, -9.3], [0, 1.5, 0, 4.1], [0, 0, 2.0, 7.7], [0, 0, 0, 1]]), "f")
    labels = rng.integers(0, 7, grid.shape).astype(np.int16)
    hu = rng.normal(200, 200, grid.shape).astype(np.float32)
    return Volume(labels, grid), Volume(hu, grid)


def _stored_otherwise(volume, order, flips):
    """The same image with its array axes flipped and permuted, affine to match."""
    data, affine = volume.data, volume.grid.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
        affine[:3, axis] *= -1
        data = np.flip(data, axis)
    affine[:, :3] = affine[:, list(order)]
    data = np.transpose(data, order)
    return Volume(data, Grid(data.shape, affine, volume.grid.frame))


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (0,)), ((0, 1, 2), (0, 1, 2)), ((2, 0, 1), ()), ((1, 0, 2), (1, 2))]
)
def test_storage_order_does_not_matter(order, flips):
    """Random labels (ties everywhere: sub-points half way between voxels) and random HU: identical tissue, entry by
    entry, for flips and permutations with a matching affine."""
    labels, hu = _patient()
    lower, upper = labels.grid.bounds()
    grid = Grid.isotropic(lower, upper, 1.0)
    first = TissueMap.from_volumes(grid, labels, NAMES, hu=hu)
    second = TissueMap.from_volumes(
        grid, _stored_otherwise(labels, order, flips), NAMES, hu=_stored_otherwise(hu, order, flips)
    )
    assert [e.variant or e.name for e in first.palette] == [e.variant or e.name for e in second.palette]
    np.testing.assert_array_equal(first.index, second.index)


def test_oblique_labels_give_the_same_tissue():
    """The same ball on a grid turned by 30 degrees: volume within 1.5 %, centre within 0.1 mm."""
    angle = np.pi / 6
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shape, centre = (40, 40, 30), np.array([3.0, -2.0, 5.0])
    results = []
    for rotation in (np.eye(3), turn):
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag([1.0, 1.0, 1.3])
        affine[:3, 3] = centre - affine[:3, :3] @ (np.array(shape) - 1) / 2 + 0.17
        grid = Grid(shape, affine)
        labels = Volume(np.where(np.linalg.norm(grid.centres() - centre, axis=-1) < 9, 2, 1).astype(np.uint8), grid)
        heat = Grid.isotropic(centre - 12, centre + 12, 1.0)
        fraction = TissueMap.from_volumes(heat, labels, NAMES).fraction(["fat"]).astype(float)
        middle = (heat.centres() * fraction[..., None]).sum((0, 1, 2)) / fraction.sum()
        results.append((fraction.sum(), middle))
    assert results[1][0] == pytest.approx(results[0][0], rel=0.015)
    np.testing.assert_allclose(results[1][1], results[0][1], atol=0.1)


def test_bone_follows_the_interpolated_ct_number():
    """HU rising linearly along x: cell means of density rise with it, and equal the class of the local HU within one
    class (44 HU, about 25 kg/m3 on the steep side)."""
    labels = volume_of(lambda x: np.full(x.shape[:-1], 3), [0, 0, 0], [20, 4, 4], 1.0)
    hu = labels.with_data((40.0 * labels.grid.centres()[..., 0]).astype(np.float32))
    grid = Grid.isotropic(np.array([2.0, 1, 1]), np.array([18.0, 3, 3]), 1.0)
    tissue_map = TissueMap.from_volumes(grid, labels, NAMES, hu=hu)
    density = tissue_map.cell_mean([entry.density for entry in tissue_map.palette])[:, 0, 0]
    assert (np.diff(density) >= 0).all()
    assert density[-1] - density[0] > 150
    plain = TissueMap.from_volumes(grid, labels, NAMES)
    assert [entry.variant for entry in plain.palette] == [""]
    assert all(entry.name == "cancellous_bone" for entry in tissue_map.palette)


@pytest.mark.parametrize("hu", [-300.0, -38.5, -37.0, 159.0, 180.0, 700.0, 3000.0])
def test_bone_class_is_the_nearest_one(hu):
    """A uniform CT number: the map's only tissue is ``cancellous_by_hu`` of it (class width 43.9 HU)."""
    labels = volume_of(lambda x: np.full(x.shape[:-1], 3), [0, 0, 0], [4, 4, 4], 1.0)
    image = labels.with_data(np.full(labels.data.shape, hu, np.float32))
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, 4.0), 1.0), labels, NAMES, hu=image)
    assert [entry.variant for entry in tissue_map.palette] == [cancellous_by_hu(hu).variant]


def test_beyond_the_image_soft_tissue_is_assumed_and_flagged():
    labels = volume_of(lambda x: np.full(x.shape[:-1], 2), [0, 0, 0], [6.0] * 3, 1.0)
    grid = Grid.isotropic(np.array([-3.0, 0, 0]), np.array([6.0, 6, 6]), 1.0)
    tissue_map = TissueMap.from_volumes(grid, labels, NAMES)
    assert tissue_map.outside_image[:3].all()
    assert not tissue_map.outside_image[3:].any()
    np.testing.assert_allclose(tissue_map.fraction(["soft_tissue"])[:3], 1.0)
    np.testing.assert_allclose(tissue_map.fraction(["fat"])[3:], 1.0)


def test_room_air_is_told_from_gas_inside():
    """Air behind skin is the room; a bubble in the fat is not. Without skin nothing counts as the room."""

    def body(x):
        out = np.where(x[..., 1] < 4, 0, np.where(x[..., 1] < 6, 4, 2))
        return np.where(np.linalg.norm(x - [10, 14, 10], axis=-1) < 3, 0, out)

    labels = volume_of(body, [0, 0, 0], [20.0] * 3, 1.0)
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, 20.0), 1.0), labels, NAMES)
    room, air = tissue_map.exterior_air(), tissue_map.air_cells()
    assert room[:, :3].all()
    assert air[10, 14, 10]
    assert not room[:, 6:].any()
    bare = TissueMap.from_volumes(tissue_map.grid, labels, {**NAMES, 4: "muscle"})
    assert not bare.exterior_air().any()
    assert bare.air_cells().any()


def test_damage_model_of_a_cell_half_nerve_half_csf_is_the_nerves():
    labels = half_space([1, 0, 0], 2.5, low=5, high=6)
    tissue_map = TissueMap.from_volumes(Grid.isotropic(np.zeros(3), np.full(3, 6.0), 1.0), labels, NAMES)
    index, models = tissue_map.damage_index()
    assert [models[i].id for i in index[[1, 2, 3], 2, 2]] == ["none", "nerve_hoogeveen", "nerve_hoogeveen"]


def test_bad_input_is_named():
    labels, hu = _patient()
    grid = Grid.isotropic(*labels.grid.bounds(), 1.0)
    with pytest.raises(InputError, match="no name") as caught:
        TissueMap.from_volumes(grid, labels, {0: "air", 1: "muscle"})
    assert "[2, 3, 4, 5, 6]" in caught.value.got
    with pytest.raises(InputError, match="not integers"):
        TissueMap.from_volumes(grid, hu, NAMES)
    with pytest.raises(InputError, match="another grid"):
        TissueMap.from_volumes(grid, labels, NAMES, hu=_stored_otherwise(hu, (2, 1, 0), ()))
    with pytest.raises(InputError, match="even"):
        TissueMap.from_volumes(grid, labels, NAMES, subdivision=3)
    with pytest.raises(InputError, match="isotropic"):
        TissueMap.from_volumes(labels.grid, labels, NAMES)
    with pytest.raises(MissingValueError):
        TissueMap.from_volumes(grid, labels, {**NAMES, 3: "unobtainium"})
    tissue_map = TissueMap.from_volumes(grid, labels, NAMES)
    with pytest.raises(InputError, match="one value per palette"):
        tissue_map.cell_mean([1.0])
    with pytest.raises(InputError, match="collection"):
        tissue_map.fraction("air")
    with pytest.raises(InputError, match="convection"):
        tissue_map.face_conductivities(-1.0)
