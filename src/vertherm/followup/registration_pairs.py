"""Pairs of scans with a known transform, made from one scan: for tests, benchmarks and the study in the docs.

Interpolating the same data twice makes registration look better than it is. So both scans of a pair are made anew:
each is read from the real scan with a fifth-order spline at its own sub-voxel and oblique positions, averaged over its
own voxels, blurred by its own kernel, and has its own correlated noise on top. What they still share is the noise of
the real scan, and its blur: real pairs are somewhat harder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vertherm.followup.registration_images import cropped
from vertherm.followup.registration_rigid import Rigid, rotation
from vertherm.geometry.volume import FloatArray, Grid, Volume
from vertherm.imaging.no_data import find_no_data

PADDING = -1024.0
SUBJECTS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "lumbar": ("totalseg_lumbar/ct.nii.gz", "totalseg_lumbar/seg_total117_fast.nii.gz", (28, 29, 30, 31, 32)),
    "single": (
        "tptbox_vertebra/sub-ct_label-22_ct.nii.gz",
        "tptbox_vertebra/sub-ct_seg-vert_label-22_msk.nii.gz",
        (22,),
    ),
    "dicom": ("totalseg_dicom_T11T12", "totalseg_dicom_T11T12/seg_total117.nii.gz", (32,)),
}
"""Scan, labels and levels: ``lumbar`` (3 mm, trunk), ``single`` (1.5 mm, one vertebra with halves of two), ``dicom``
(1 x 1 x 2 mm)."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A real scan and the labels of its vertebrae."""

    name: str
    ct: Volume
    labels: Volume
    levels: tuple[int, ...]
    coefficients: FloatArray = field(init=False)
    empty: Volume = field(init=False)
    distances: dict[int, Volume] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from scipy.ndimage import spline_filter

        missing = find_no_data(self.ct.data)
        data = np.where(missing, -1000.0, np.clip(self.ct.data, -1024.0, 3000.0))
        object.__setattr__(self, "coefficients", spline_filter(data.astype(float), 5, float, "nearest"))
        object.__setattr__(self, "empty", self.ct.with_data(missing.astype(np.float32)))

    def mask(self, level: int) -> Volume:
        """Bool."""
        return self.labels.with_data(self.labels.data == level)

    def centre(self, level: int) -> FloatArray:
        """(3,) RAS mm: mean of the label's voxels."""
        return np.asarray(self.labels.grid.world(np.argwhere(self.labels.data == level).mean(axis=0)))

    def distance(self, level: int) -> Volume:
        """mm to a label."""
        from scipy.ndimage import distance_transform_edt

        if level not in self.distances:
            away = distance_transform_edt(self.labels.data != level, sampling=self.labels.grid.spacing_mm)
            self.distances[level] = self.labels.with_data(away.astype(np.float32))
        return self.distances[level]

    def read(self, points: FloatArray) -> FloatArray:
        """HU at (..., 3) planning points; NaN where the scan has none."""
        from scipy.ndimage import map_coordinates

        index = np.ascontiguousarray(self.ct.grid.index(points.reshape(-1, 3)).T)
        hu = map_coordinates(self.coefficients, index, order=5, mode="nearest", prefilter=False)
        away = self.empty.sample(points.reshape(-1, 3), outside=1.0) > 0.3
        return np.where(away, np.nan, hu).reshape(points.shape[:-1])


def read_subject(folder: Path, name: str) -> Subject:
    """One of :data:`SUBJECTS` from the folder with the scans.

    Raises:
        InputError: a file that cannot be read.
    """
    import nibabel

    from vertherm.imaging.read import read_ct

    image, labels, levels = SUBJECTS[name]
    ct = read_ct(folder / image)
    # The labels of the slab name a frame of their own, so they are laid onto the scan by their places.
    raw = nibabel.load(folder / labels)
    data = np.asarray(raw.dataobj)
    codes = Volume(data, Grid(data.shape, raw.affine))
    if name == "dicom":
        # The arms and most of the chest are of no use here, and cost time.
        box = np.argwhere(np.isin(data, levels))
        middle = codes.grid.world(box.mean(axis=0))
        half = np.array([110.0, 110.0, 200.0])
        inner = cropped(ct, middle - half, middle + half)
        ct = ct if inner is None else inner
    there = codes.sample(ct.grid.centres(), order=0, outside=0).astype(np.uint8)
    return Subject(name, ct, Volume(there, ct.grid), levels)


def made_subject(spacing_mm: float = 1.5) -> Subject:
    """The torso phantom where no real scan is at hand; its vertebrae are copies of each other, level 3 is L3."""
    from vertherm.imaging.phantom import torso_phantom

    box = Grid.isotropic(np.array([-58.0, -72.0, -48.0]), np.array([58.0, 40.0, 48.0]), spacing_mm)
    made = torso_phantom("L3", kind=None, noise_hu=60.0, seed=1, grid=box)
    labels = np.zeros(box.shape, np.uint8)
    for level, mask in made.vertebrae.items():
        labels[mask.sample(box.centres(), order=0, outside=0) > 0] = int(str(level)[1:])
    return Subject("made", made.ct, Volume(labels, box), (3,))


@dataclass(frozen=True)
class Scan:
    """How one scan of a pair is taken.

    Args:
        spacing_mm: of its voxels.
        half_mm: half the field of view.
        centre_mm: of the field of view, RAS.
        tilt_deg: greatest turn of its grid.
        blur_mm: standard deviation of its kernel.
        noise_hu: standard deviation of its noise.
        noise_length_mm: standard deviation of the kernel that correlates the noise.
        seed: of grid and noise.
    """

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    half_mm: tuple[float, float, float] = (60.0, 60.0, 60.0)
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tilt_deg: float = 5.0
    blur_mm: float = 0.4
    noise_hu: float = 30.0
    noise_length_mm: float = 0.6
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Ball:
    """A change in the follow-up: ``hu`` in an ellipsoid of the planning frame."""

    centre_mm: FloatArray
    half_axes_mm: tuple[float, float, float]
    hu: float


def random_motion(
    centre: FloatArray, rng: np.random.Generator, *, shift_mm: float = 20.0, turn_deg: float = 15.0
) -> Rigid:
    """Uniform length of shift and angle up to the limits, random directions."""
    axis, way = rng.standard_normal(3), rng.standard_normal(3)
    angle = np.radians(turn_deg) * rng.random()
    shift = way / np.linalg.norm(way) * shift_mm * rng.random()
    return Rigid(rotation(axis / np.linalg.norm(axis) * angle), shift, np.asarray(centre))


def neighbours(of: Subject, level: int, truth: Rigid, rng: np.random.Generator) -> dict[int, Rigid]:
    """Motions of the other labels, that differ from the true one by about a millimetre and two degrees."""
    out = {}
    for other in of.levels:
        small = Rigid(rotation(rng.normal(0, 0.03, 3)), rng.normal(0, 1, 3), of.centre(other))
        if other != level:
            out[other] = Rigid.of(truth.matrix @ small.matrix, of.centre(other))
    return out


def take(
    of: Subject,
    scan: Scan,
    motion: Rigid | None = None,
    *,
    balls: Sequence[Ball] = (),
    others: dict[int, Rigid] | None = None,
) -> Volume:
    """A scan of the subject after a motion; ``others`` move neighbouring labels by motions of their own."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(scan.seed)
    grid = _grid(scan, rng)
    centres = grid.centres()
    parts = 1 if max(scan.spacing_mm) < 0.75 * of.ct.grid.spacing_mm.min() else 2
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    hu = np.zeros(grid.shape)
    for a in offsets:
        for b in offsets:
            for c in offsets:
                hu += _seen(of, centres + grid.affine[:3, :3] @ (a, b, c), motion, balls, others)
    hu /= parts**3
    away = np.isnan(hu)
    hu = gaussian_filter(np.where(away, -1000.0, hu), scan.blur_mm / grid.spacing_mm)
    noise = gaussian_filter(rng.standard_normal(grid.shape), scan.noise_length_mm / grid.spacing_mm, mode="wrap")
    hu += scan.noise_hu * noise / noise.std()
    return Volume(np.where(away, PADDING, hu).astype(np.float32), grid, "SYNTHETIC")


def _grid(scan: Scan, rng: np.random.Generator) -> Grid:
    axis = rng.standard_normal(3)
    turn = rotation(axis / np.linalg.norm(axis) * np.radians(scan.tilt_deg) * rng.random())
    spacing = np.array(scan.spacing_mm)
    shape = np.ceil(2 * np.array(scan.half_mm) / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = np.array(scan.centre_mm) - affine[:3, :3] @ ((shape - 1) / 2 + rng.random(3))
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def _seen(
    of: Subject, points: FloatArray, motion: Rigid | None, balls: Sequence[Ball], others: dict[int, Rigid] | None
) -> FloatArray:
    back = points if motion is None else _back(motion, points)
    if others and motion is not None:
        back = _bent(of, points, back, motion, others)
    hu = of.read(back)
    for ball in balls:
        inside = (((back - ball.centre_mm) / ball.half_axes_mm) ** 2).sum(axis=-1) < 1.0
        hu = np.where(inside & ~np.isnan(hu), ball.hu, hu)
    return hu


def _back(motion: Rigid, points: FloatArray) -> FloatArray:
    matrix = np.linalg.inv(motion.matrix)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _bent(of: Subject, points: FloatArray, back: FloatArray, motion: Rigid, others: dict[int, Rigid]) -> FloatArray:
    """Each label moves with its own motion; between them the motions blend by nearness."""
    near, total = np.zeros(points.shape), np.zeros(points.shape[:-1])
    for level in of.levels:
        away = of.distance(level).sample(back, outside=100.0)
        weight = 1.0 / (np.maximum(away - 0.5, 0.0) + 0.2) ** 3
        near += weight[..., None] * _back(others.get(level, motion), points)
        total += weight
    return near / total[..., None]
