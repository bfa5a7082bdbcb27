"""Whether a registration may be used: what is looked at, and the limits.

The limits come from the study in docs/theory/registration.md: they lie between what good pairs showed and what
neighbouring levels, other people's vertebrae, mirrored scans and wrong voxel sizes showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vertherm.followup.registration_error import MotionError
from vertherm.followup.registration_refine import Fit
from vertherm.followup.registration_rigid import Rigid
from vertherm.geometry.volume import FloatArray

Status = Literal["ok", "doubtful", "failed"]


@dataclass(frozen=True)
class Limits:
    """From where on a registration is doubtful, and from where on it has failed.

    Args:
        similarity: correlation of both images at the vertebra, smoothed by 1.8 mm: doubtful below.
        agreement: the same without the quarter that agrees least: doubtful below, and failed where the whole is too.
        strain: a greater stretch or squeeze of the vertebra is doubtful.
        covered: share of the vertebra that lies in the follow-up: doubtful below, failed below.
        used: share of its points left after metal, cement and changed regions: doubtful below.
        rival: how much better than any other place it must be.
        gain: contrast of the follow-up over that of the planning scan (CT).
        angle_deg: a greater turn is doubtful: beyond what the search covers.
        error_mm: 95 % radius at the vertebra's far points: doubtful above, failed above.
        same_frame_mm: what a vertebra may move between scans of one frame of reference.
        start_mm: how far the result may lie from the start that was given.
    """

    similarity: float = 0.85
    agreement: float = 0.95
    strain: float = 0.03
    covered: tuple[float, float] = (0.70, 0.30)
    used: float = 0.35
    rival: float = 0.06
    gain: tuple[float, float] = (0.6, 1.7)
    angle_deg: float = 25.0
    error_mm: tuple[float, float] = (1.5, 4.0)
    same_frame_mm: float = 20.0
    start_mm: float = 25.0


@dataclass(frozen=True, eq=False)
class Findings:
    """What a registration found, as far as it matters for the verdict.

    Args:
        best: the chosen solution at the smoothing of the search.
        agreement: of the best, see :func:`~vertherm.followup.registration_shape.agreement`.
        strain: greatest principal strain, signed.
        rivals: solutions elsewhere.
        final: the fine fit.
        error: its error.
        far_mm: 95 % radius at the vertebra's far points.
        same_frame: both scans share a frame of reference.
        start: given.
    """

    best: Fit
    agreement: float
    strain: float
    rivals: Sequence[Fit]
    final: Fit
    error: MotionError | None
    far_mm: float
    same_frame: bool
    start: Rigid | None


def judge(found: Findings, limits: Limits, *, gain_matters: bool = True) -> tuple[Status, tuple[str, ...]]:
    """Status, and every reason for anything but ``ok``."""
    failed = [*_failed(found, limits)]
    doubts = [*_match(found, limits, gain_matters), *_position(found, limits)]
    if failed:
        return "failed", tuple(failed + doubts)
    return ("doubtful" if doubts else "ok"), tuple(doubts)


def _failed(found: Findings, limits: Limits) -> list[str]:
    best, out = found.best, []
    if best.similarity < limits.similarity and found.agreement < limits.agreement:
        out.append(f"the images do not agree at the vertebra (correlation {best.similarity:.2f})")
    if best.covered < limits.covered[1]:
        out.append(f"the follow-up covers {100 * best.covered:.0f} % of the vertebra")
    if found.error is None:
        out.append("the images do not fix all six parameters")
    elif found.far_mm > limits.error_mm[1]:
        out.append(f"its error is too large ({found.far_mm:.1f} mm)")
    return out


def _match(found: Findings, limits: Limits, gain_matters: bool) -> list[str]:
    best, out = found.best, []
    if (best.similarity < limits.similarity) != (found.agreement < limits.agreement):
        both = f"correlation {best.similarity:.2f}, without the quarter that agrees least {found.agreement:.2f}"
        out.append(f"the images agree poorly at the vertebra ({both})")
    if abs(found.strain) > limits.strain:
        change = f"{100 * abs(found.strain):.0f} % {'longer' if found.strain > 0 else 'shorter'} in one direction"
        out.append(f"the vertebra would be {change}: wrong voxel sizes, a collapse, or another bone")
    if limits.covered[1] <= best.covered < limits.covered[0]:
        out.append(f"the follow-up covers only {100 * best.covered:.0f} % of the vertebra")
    if float(found.final.used.mean()) < limits.used * best.covered:
        out.append("metal, cement or changed regions leave little to compare")
    if gain_matters and not limits.gain[0] <= found.final.gain <= limits.gain[1]:
        out.append(f"the contrast differs by a factor of {found.final.gain:.2f}: not the same bone, or no CT")
    if not found.final.converged:
        out.append("the refinement did not come to rest")
    return out


def _position(found: Findings, limits: Limits) -> list[str]:
    motion, out = found.final.motion, []
    for rival in found.rivals:
        if rival.covered > 0.4 and rival.similarity > found.best.similarity - limits.rival:
            apart = rival.motion.distance_mm(motion)
            out.append(f"another place {apart:.0f} mm away fits nearly as well: the level may be wrong")
            break
    moved = _length(motion.shift_mm)
    if found.same_frame and moved > limits.same_frame_mm:
        out.append(f"both scans share a frame of reference, yet the vertebra would have moved by {moved:.0f} mm")
    if found.start is not None and (apart := found.start.distance_mm(motion)) > limits.start_mm:
        out.append(f"the result lies {apart:.0f} mm from the given start")
    if motion.angle_deg > limits.angle_deg:
        out.append(f"the vertebra would have turned by {motion.angle_deg:.0f} degrees")
    if found.error is not None and limits.error_mm[0] < found.far_mm <= limits.error_mm[1]:
        out.append(f"its error is large ({found.far_mm:.1f} mm)")
    return out


def _length(vector: FloatArray) -> float:
    return float((vector**2).sum() ** 0.5)
