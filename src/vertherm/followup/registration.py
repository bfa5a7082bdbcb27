"""Rigid registration of one vertebra from the planning scan to a later scan, with its error and a verdict.

Vertebrae move against each other between scans, so each is registered on its own. The wide surroundings say which
vertebra it is; the vertebra itself, with the rim around its cortex, says where it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertherm import __version__
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.followup.registration_candidates import Scene, candidates
from vertherm.followup.registration_error import MotionError, motion_error
from vertherm.followup.registration_images import cropped
from vertherm.followup.registration_refine import Fit, refine
from vertherm.followup.registration_rigid import Rigid
from vertherm.followup.registration_shape import agreement, strain
from vertherm.followup.registration_verdict import Findings, Limits, Status, judge
from vertherm.geometry.volume import FloatArray, Grid, Volume

Modality = Literal["CT", "MR"]
LIMITS = {"CT": Limits(), "MR": Limits(similarity=0.70, agreement=0.80, strain=0.08)}
"""An MR shows other tissue and less cortex: the same bone correlates less."""
METHOD = "rigid intensity registration of one vertebra, version 1"
ROOM_MM = 20.0
REACH_MM = 4.0
"""The rim outside the bone that is compared: the cortex needs its outer edge."""
STEP_MM = 1.2
"""Between the points that are compared in the end."""
CHANGED_RIM_MM = 2.0
LEAST_VERTEBRA_ML = 2.0


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a vertebra of the planning scan lies in a later scan.

    Args:
        transform: (4, 4) planning RAS mm to follow-up RAS mm; the best guess where it failed.
        status: ``ok``, ``doubtful`` (a person must look) or ``failed`` (not to be used).
        reasons: for anything but ``ok``.
        error: covariance of the motion; None where it could not be estimated.
        similarity: correlation of both images at the vertebra, smoothed by 1.8 mm (MR: correlation ratio's root).
        agreement: the same without the quarter of the vertebra that agrees least.
        strain: greatest principal strain of the follow-up's vertebra against the planning scan's; 0 for the same bone.
        rival_similarity: that of the best other place with enough overlap; NaN where there is none.
        covered: share of the vertebra and its rim that lies in the follow-up.
        used: share compared in the end.
        residual: robust standard deviation of what is left, in the follow-up's intensity.
        gain: follow-up contrast over planning contrast (CT).
        iterations: of the refinement.
        seconds: taken.
        modality: of the follow-up.
        version: of program and method.
        details: further numbers by name.
    """

    transform: FloatArray
    status: Status
    reasons: tuple[str, ...] = ()
    error: MotionError | None = None
    similarity: float = float("nan")
    agreement: float = float("nan")
    strain: float = float("nan")
    rival_similarity: float = float("nan")
    covered: float = 0.0
    used: float = 0.0
    residual: float = float("nan")
    gain: float = float("nan")
    iterations: int = 0
    seconds: float = 0.0
    modality: Modality = "CT"
    version: str = f"vertherm {__version__}; {METHOD}"
    details: dict[str, float] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """False where it failed."""
        return self.status != "failed"

    def to_followup(self, points_mm: FloatArray) -> FloatArray:
        """Follow-up RAS mm of (..., 3) planning points."""
        return np.asarray(points_mm @ self.transform[:3, :3].T + self.transform[:3, 3])

    def to_planning(self, points_mm: FloatArray) -> FloatArray:
        """Planning RAS mm of (..., 3) follow-up points."""
        return np.asarray((points_mm - self.transform[:3, 3]) @ self.transform[:3, :3])

    def covariance_mm2(self, points_mm: FloatArray) -> FloatArray:
        """Covariance of where (..., 3) planning points lie, planning axes: (..., 3, 3); infinite without estimate."""
        points = np.asarray(points_mm, float)
        if self.error is None:
            return np.full((*points.shape[:-1], 3, 3), np.inf)
        return self.error.at(points)

    def error_mm(self, points_mm: FloatArray, share: float = 0.95) -> NDArray[np.float64]:
        """Target registration error that (..., 3) planning points stay below with probability ``share``: (...,).

        Infinite where no estimate exists. The estimate is for the solution found: it says nothing about a wrong level,
        which ``status`` is for.
        """
        points = np.asarray(points_mm, float)
        if self.error is None:
            return np.full(points.shape[:-1], np.inf)
        return self.error.radius_mm(points, share)

    def sd_mm(self, points_mm: FloatArray) -> NDArray[np.float64]:
        """Root mean square of the target registration error at (..., 3) planning points: (...,)."""
        return np.sqrt(np.trace(self.covariance_mm2(points_mm), axis1=-2, axis2=-1))

    def row(self) -> dict[str, object]:
        """For a record or a report: everything but the covariance."""
        numbers = (
            "similarity",
            "agreement",
            "strain",
            "rival_similarity",
            "covered",
            "used",
            "residual",
            "gain",
            "seconds",
        )
        return {
            "status": self.status,
            "reasons": list(self.reasons),
            "transform_planning_to_followup_ras_mm": self.transform.tolist(),
            **{name: round(float(getattr(self, name)), 4) for name in numbers},
            "iterations": self.iterations,
            "modality": self.modality,
            "version": self.version,
        }


def register_vertebra(
    planning: Volume,
    followup: Volume,
    vertebra: Volume,
    *,
    exclude: Volume | None = None,
    start: FloatArray | None = None,
    modality: Modality = "CT",
    limits: Limits | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Registration:
    """Register one vertebra of the planning CT to a later scan.

    Args:
        planning: HU.
        followup: HU (or MR intensity) on any grid, in its own world.
        vertebra: bool, in the planning world.
        exclude: bool, planning world: treated zone, cement, perhaps neighbouring vertebrae. Not compared.
        start: (4, 4) rough planning to follow-up, RAS mm; needed for MR, unless both share a frame of reference.
        modality: of the follow-up.
        limits: of the verdict; left out: those of the modality.
        seed: of the random points; same inputs and seed, same numbers.
        progress: told about the steps.

    Returns:
        Always a registration: one that cannot be had has status ``failed`` and says why.

    Raises:
        InputError: no vertebra in the mask, another frame than the planning scan's, a start that is not rigid, an MR
            without start.
    """
    began = time.perf_counter()
    scene = _scene(planning, followup, vertebra, exclude, seed)
    same = bool(planning.grid.frame) and planning.grid.frame == followup.grid.frame
    given = None if start is None else Rigid.of(start, scene.centre_mm)
    starts = [given] if given is not None else []
    if same:
        starts.append(Rigid(np.eye(3), np.zeros(3), scene.centre_mm))
    progress("registration", 0.0)
    solutions = _solutions(scene, starts, modality)
    progress("registration", 0.7)
    found = _finished(scene, solutions, modality, same, given) if solutions else None
    progress("registration", 1.0)
    if found is None:
        return _nothing(began, starts, modality)
    return _registration(found, modality, limits or LIMITS[modality], began)


def _solutions(scene: Scene, starts: list[Rigid], modality: Modality) -> list[Fit]:
    if modality == "CT":
        return candidates(scene, starts)
    from vertherm.followup.registration_mr import mr_candidates

    return mr_candidates(scene, starts)


def resampled(followup: Volume, registration: Registration, grid: Grid, *, order: int = 1) -> Volume:
    """The follow-up on a grid of the planning world, as the registration moves it; NaN beyond it.

    Raises:
        InputError: the registration failed.
    """
    if not registration.usable:
        raise InputError(
            "A failed registration must not be used.",
            got="; ".join(registration.reasons),
            advice="give a rough start transform, or register by hand",
        )
    moved = Grid(followup.grid.shape, np.linalg.inv(registration.transform) @ followup.grid.affine, grid.frame)
    return Volume(followup.data, moved, followup.source).resampled(grid, order=order)


def _scene(planning: Volume, followup: Volume, vertebra: Volume, exclude: Volume | None, seed: int) -> Scene:
    for name, mask in (("vertebra", vertebra), ("exclude", exclude)):
        if mask is not None and mask.grid.frame and planning.grid.frame and mask.grid.frame != planning.grid.frame:
            raise InputError(
                "A mask lies in another frame of reference than the planning scan.",
                where=name,
                got=mask.grid.frame,
                expected=planning.grid.frame,
            )
    inside = np.argwhere(vertebra.data > 0)
    volume = len(inside) * vertebra.grid.voxel_volume_ml
    if volume < LEAST_VERTEBRA_ML:
        raise InputError(
            "The mask holds no vertebra.",
            where="vertebra",
            got=f"{volume:.1f} ml",
            expected=f">= {LEAST_VERTEBRA_ML} ml",
        )
    world = vertebra.grid.world(inside)
    crop = cropped(vertebra, world.min(axis=0) - ROOM_MM, world.max(axis=0) + ROOM_MM)
    if crop is None:
        raise InputError("The vertebra's mask is too thin.", where="vertebra", got=vertebra.grid.shape)
    barred = None if exclude is None else _grown(exclude, *crop.grid.bounds())
    return Scene(planning, followup, _distance(crop), barred, world.mean(axis=0), seed)


def _distance(mask: Volume) -> Volume:
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(mask.data <= 0, sampling=mask.grid.spacing_mm)
    return mask.with_data(np.asarray(away, np.float32))


def _grown(mask: Volume, lower: FloatArray, upper: FloatArray) -> Volume | None:
    """1 where the image has changed or within the rim of it; None where that is far away."""
    crop = cropped(mask, lower, upper)
    if crop is None or not (crop.data > 0).any():
        return None
    return crop.with_data((_distance(crop).data <= CHANGED_RIM_MM).astype(np.float32))


def _finished(
    scene: Scene, solutions: list[Fit], modality: Modality, same: bool, start: Rigid | None
) -> Findings | None:
    """The best solution refined on the full images."""
    best = solutions[0]
    voxel = max(float(v.grid.spacing_mm.max()) for v in (scene.planning, scene.followup))
    final = _final(scene, best, modality, float(np.clip(0.6 * voxel, 1.0, 1.6)))
    if final is None:
        return None
    error = motion_error(final, voxel, modality, np.random.default_rng((scene.seed, 2)))
    inside = scene.distance.grid.world(np.argwhere(scene.distance.data <= 0.0))
    far = float("inf") if error is None else float(np.percentile(error.radius_mm(inside), 95.0))
    stretch = strain(final)
    most = float(stretch[np.abs(stretch).argmax()])
    return Findings(best, agreement(best), most, solutions[1:], final, error, far, same, start)


def _final(scene: Scene, best: Fit, modality: Modality, smoothing_mm: float) -> Fit | None:
    if modality == "MR":
        from vertherm.followup.registration_mr import fit_mr

        return fit_mr(scene, best.motion, smoothing_mm, STEP_MM)
    fixed, moving = scene.fixed(smoothing_mm), scene.moving(best.motion, smoothing_mm, 6.0)
    if fixed is None or moving is None:
        return None
    return refine(scene.points(REACH_MM, STEP_MM, 1), fixed, moving, best.motion)


def _registration(found: Findings, modality: Modality, limits: Limits, began: float) -> Registration:
    status, reasons = judge(found, limits, gain_matters=modality == "CT")
    rivals = [fit.similarity for fit in found.rivals if fit.covered > 0.4]
    return Registration(
        transform=found.final.motion.matrix,
        status=status,
        reasons=reasons,
        error=found.error,
        similarity=found.best.similarity,
        agreement=found.agreement,
        strain=found.strain,
        rival_similarity=max(rivals, default=float("nan")),
        covered=found.best.covered,
        used=float(found.final.used.mean()),
        residual=found.final.scale,
        gain=found.final.gain,
        iterations=found.best.iterations + found.final.iterations,
        seconds=time.perf_counter() - began,
        modality=modality,
        details={"error_far_mm": found.far_mm, "freedom": float(found.error.freedom if found.error else 0)},
    )


def _nothing(began: float, starts: list[Rigid], modality: Modality) -> Registration:
    matrix = starts[0].matrix if starts else np.eye(4)
    reason = ("no place was found where the follow-up shows the vertebra",)
    return Registration(matrix, "failed", reason, seconds=time.perf_counter() - began, modality=modality)
