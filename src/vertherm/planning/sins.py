"""SINS of a target: what imaging can say, what was entered, and the range of totals that leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vertherm.access.vertebra import coordinates, vertebra_frame
from vertherm.clinical import sins as score
from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.imaging.anatomy import Anatomy, StructureKind, on_grid
from vertherm.materials.quantity import read_quantities
from vertherm.planning.objects import Case, Target
from vertherm.planning.sins_measures import THIRDS, BodyShape, body_shapes, expected_heights, neighbours, slip

How = Literal["computed", "entered", "missing"]
Opinion = Literal["yes", "no", "possible"]
NAMES = tuple(name.removeprefix("sins_") for name in score.COMPONENTS)
"""The six components as they are entered: location, pain, bone, alignment, collapse, posterolateral."""
NOTICE = "SINS describes instability. The program recommends asking for a surgical opinion and never decides."


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SinsComponent(_Row):
    """One of the six components."""

    name: str
    label: str
    code: str | None = Field(description="as entered, or as computed; None where neither is known")
    points: int | None
    points_low: int = Field(description="fewest points that a computing error or a missing value leaves")
    points_high: int
    how: How
    words: str
    error_words: str
    computed: str | None = Field(default=None, description="what imaging says, also where a value was entered")


class Sins(_Row):
    """The score of one target."""

    target: str
    level: str
    components: list[SinsComponent]
    low: int = Field(description="lowest total that fits what is known, errors of computed components included")
    high: int
    total: int | None = Field(description="sum of the points; None while a component is missing")
    stability: str | None
    range_words: str
    surgical_opinion: Opinion = Field(description="yes: every total that fits asks for one; possible: some do")
    advice: str
    notes: list[str]


def sins_of(case: Case, target: Target, entered: Mapping[str, str]) -> Sins:
    """SINS of a target from the images and from what was entered; entered values win.

    Args:
        case: anatomy with vertebral bodies; other targets of the case are not taken for healthy neighbours.
        target: level, kind and mask of the lesion.
        entered: component name without "sins_" ("pain", "alignment", ...) to code.

    Returns:
        The components with how each is known, the total, and the range of totals that missing components and the
        error of the computed ones leave.

    Raises:
        InputError: a component or a code that SINS does not have.

    Source: SINS, six components (see ``vertherm.clinical.sins``); the rules that read images are ours.
    """
    codes = _checked(entered)
    found = {"location": _location(target), "pain": _pain(), "bone": _bone(target)} | _imaged(case, target)
    components = [_merged(found[name], codes.get(name)) for name in NAMES]
    notes = [NOTICE, *(_disagreement(item) for item in components if _disagrees(item))]
    if case.anatomy.synthetic or target.synthetic:
        notes.append("SYNTHETIC: the lesion or the whole patient was made by a program")
    if not target.statement.confirmed:
        notes.append(f"the level {target.level} is not confirmed; location and neighbours follow from it")
    return _summed(target, components, notes)


def _checked(entered: Mapping[str, str]) -> dict[str, str]:
    for name, code in entered.items():
        if name not in NAMES:
            raise InputError("SINS has no such component.", where="sins", got=name, expected=", ".join(NAMES))
        allowed = score.POINTS[f"sins_{name}"]
        if code not in allowed:
            raise InputError(
                "SINS has no such code for this component.",
                where=f"sins {name}",
                got=repr(code),
                expected=", ".join(allowed),
            )
    return dict(entered)


def _component(
    name: str, code: str | None, words: str, error: str = "", *, also: tuple[str, ...] = (), known: bool = True
) -> SinsComponent:
    """A computed (or missing) component; ``also``: codes that the error does not exclude."""
    table = score.POINTS[f"sins_{name}"]
    possible = [table[item] for item in (*also, *([code] if code else []))] or list(table.values())
    return SinsComponent(
        name=name,
        label=name,
        code=code,
        points=table[code] if code else None,
        points_low=min(possible),
        points_high=max(possible),
        how="computed" if code and known else "missing",
        words=words,
        error_words=error,
        computed=code,
    )


def _merged(found: SinsComponent, code: str | None) -> SinsComponent:
    if code is None:
        return found
    points = score.POINTS[f"sins_{found.name}"][code]
    says = _label(found.name, code)
    imaging = f"; imaging: {found.words}" if found.computed else ""
    changes = {"code": code, "points": points, "points_low": points, "points_high": points, "how": "entered"}
    return found.model_copy(update={**changes, "words": f"entered: {says}{imaging}"})


def _label(name: str, code: str) -> str:
    return score.COMPONENTS[f"sins_{name}"].label(code)


def _disagrees(item: SinsComponent) -> bool:
    return item.how == "entered" and item.computed is not None and item.computed != item.code


def _disagreement(item: SinsComponent) -> str:
    entered, computed = _label(item.name, str(item.code)), _label(item.name, str(item.computed))
    return f"{item.label}: entered '{entered}' and computed '{computed}' disagree; the entered value counts"


def _summed(target: Target, components: list[SinsComponent], notes: list[str]) -> Sins:
    low, high = (sum(getattr(item, end) for item in components) for end in ("points_low", "points_high"))
    total = score.total({f"sins_{item.name}": item.code for item in components})
    opinion: Opinion = "yes" if low >= score.SURGICAL_OPINION else "no"
    if opinion == "no" and high >= score.SURGICAL_OPINION:
        opinion = "possible"
    missing = [item.label for item in components if item.code is None]
    return Sins(
        target=target.name,
        level=target.level.value,
        components=components,
        low=low,
        high=high,
        total=total,
        stability=None if total is None else score.stability(total),
        range_words=_range_words(low, high, missing),
        surgical_opinion=opinion,
        advice=_advice(opinion, missing),
        notes=notes,
    )


def _range_words(low: int, high: int, missing: list[str]) -> str:
    classes = dict.fromkeys(score.stability(value) for value in range(low, high + 1))
    span = str(low) if low == high else f"{low} to {high}"
    lacking = f"; not known: {', '.join(missing)}" if missing else ""
    return f"{span} of 18: {' or '.join(classes)}{lacking}"


def _advice(opinion: Opinion, missing: list[str]) -> str:
    limit = score.SURGICAL_OPINION
    enter = f" Enter: {', '.join(missing)}." if missing else ""
    words = {
        "yes": f"The total is {limit} or more: ask for a surgical opinion.",
        "possible": f"The total may be {limit} or more: ask for a surgical opinion unless the open parts exclude it.",
        "no": f"The total stays below {limit}: the score alone asks for no surgical opinion.",
    }
    return words[opinion] + enter


def _location(target: Target) -> SinsComponent:
    code = score.location(target.level)
    return _component(
        "location", code, f"{_label('location', code)} ({target.level})", "no error of its own: follows from the level"
    )


def _pain() -> SinsComponent:
    return _component("pain", None, "pain is not seen on images: to be entered")


def _bone(target: Target) -> SinsComponent:
    words = f"{target.kind}, as the lesion is described in the case"
    return _component("bone", target.kind, words, "no error of its own: follows from the description")


def _imaged(case: Case, target: Target) -> dict[str, SinsComponent]:
    anatomy = case.anatomy
    bodies, canal = anatomy.bodies or {}, _canal(anatomy)
    # Two vertebrae up and down, and one more place for a supernumerary one: no others can be its neighbours.
    near = {level: body for level, body in bodies.items() if abs(level.order - target.level.order) <= 3}
    shapes = body_shapes(near, canal, anatomy.ct.grid)
    own = shapes.get(target.level)
    treated = {other.level for other in case.targets}
    upper, lower = neighbours(shapes, target.level, treated)
    return {
        "alignment": _alignment(own, upper, lower),
        "collapse": _collapse(target, bodies.get(target.level), own, upper, lower),
        "posterolateral": _posterolateral(anatomy, target, canal),
    }


def _canal(anatomy: Anatomy) -> Volume | None:
    for kind in (StructureKind.canal, StructureKind.dural_sac, StructureKind.cord):
        for item in anatomy.of_kind(kind):
            return item.mask
    return None


def _number(name: str) -> float:
    return read_quantities("sins")[name].value


def _alignment(own: BodyShape | None, upper: BodyShape | None, lower: BodyShape | None) -> SinsComponent:
    if own is None or upper is None or lower is None:
        return _component("alignment", None, "needs the whole body and one above and below it: to be entered")
    found, limit = slip(own, upper, lower), _number("slip threshold")
    moved, error = found.total_mm, found.error_mm
    over = moved > limit
    # Deformity means change since an earlier image, so one image can never exclude it.
    also = ["deformity"] + (["subluxation"] if moved + error > limit else []) + (["normal"] if over else [])
    words = (
        f"suggested, to be confirmed: {moved:.1f} mm off the line of {upper.level} and {lower.level} "
        f"({_way(found.anterior_mm, 'forwards', 'backwards')}, {_way(found.right_mm, 'right', 'left')}); tilt "
        f"{found.sagittal_deg:+.0f}° sagittal, {found.coronal_deg:+.0f}° coronal; a new deformity needs an "
        "earlier image"
    )
    return _component(
        "alignment",
        "subluxation" if over else "normal",
        words,
        f"± {error:.1f} mm from the voxels; subluxation suggested above {limit:g} mm",
        also=tuple(also) if not over or moved - error <= limit else ("subluxation",),
    )


def _way(value_mm: float, positive: str, negative: str) -> str:
    return f"{abs(value_mm):.1f} mm {positive if value_mm >= 0 else negative}"


def _collapse(
    target: Target, body: Volume | None, own: BodyShape | None, upper: BodyShape | None, lower: BodyShape | None
) -> SinsComponent:
    if body is None or own is None or (upper is None and lower is None):
        return _component("collapse", None, "needs the whole body and a healthy whole neighbour: to be entered")
    expected, expected_error = expected_heights(own, upper, lower)
    losses = 1.0 - own.heights_mm / expected
    worst = int(np.argmax(losses))
    loss = float(losses[worst])
    share = float(on_grid(target.mask, body.grid)[body.data].mean())
    natural = _number("collapse natural two" if upper and lower else "collapse natural one")
    error = float(np.hypot(np.hypot(own.error_mm, expected_error) / expected[worst], natural))
    code = collapse_code(loss, error, share)
    also = {collapse_code(value, error, share) for value in (loss - error, loss + error)} if loss > error else set()
    compared = " and ".join(str(item.level) for item in (upper, lower) if item is not None)
    words = (
        f"{THIRDS[worst]} height {own.heights_mm[worst]:.1f} mm, expected {expected[worst]:.1f} mm from {compared}: "
        f"{'loss' if loss >= 0 else 'gain'} {100 * abs(loss):.0f} %; lesion in {100 * share:.0f} % of the body"
    )
    voxel = 100 * float(np.hypot(own.error_mm, expected_error)) / float(expected[worst])
    stated = f"± {100 * error:.0f} % (voxels {voxel:.0f} %, natural spread {100 * natural:.0f} %); less is no collapse"
    return _component("collapse", code, words, stated, also=tuple(sorted(also)))


def collapse_code(loss: float, error: float, involved: float) -> str:
    """Collapse component: loss of height, its error, share of the body that the lesion takes (all 0 to 1)."""
    if loss > error:
        return "over_50" if loss > _number("collapse half") else "under_50"
    return "involved" if involved > _number("involved half") else "none"


def _posterolateral(anatomy: Anatomy, target: Target, canal: Volume | None) -> SinsComponent:
    bodies = anatomy.bodies or {}
    body = bodies.get(target.level)
    others = [item for level, item in bodies.items() if level is not target.level]
    frame = vertebra_frame(body, canal, others) if body is not None and canal is not None else None
    if frame is None or body is None or canal is None:
        return _component("posterolateral", None, "needs the body and the canal: to be entered")
    where = np.argwhere(target.mask.data)
    points = target.mask.grid.world(where)
    outside = ~(_holds(body, points) | _holds(canal, points))
    whole = anatomy.vertebrae.get(target.level)
    place = coordinates(frame, points)
    # Without a label of the whole vertebra: everything behind the posterior wall.
    arch = outside & (_holds(whole, points) if whole is not None else place[:, 1] < frame.posterior_wall_mm)
    across = place[:, 0] - float(coordinates(frame, frame.canal_mm)[0])
    lateral = _number("posterolateral medial") * frame.canal_half_width_mm
    voxel = target.mask.grid.voxel_volume_ml
    right, left = (float((arch & (side * across >= lateral)).sum()) * voxel for side in (1.0, -1.0))
    return _sided(right, left, "arch label" if whole is not None else "behind the posterior wall, no arch label")


def _sided(right_ml: float, left_ml: float, rule: str) -> SinsComponent:
    limit = _number("posterolateral volume")
    code = _SIDES[(right_ml >= limit) + (left_ml >= limit)]
    # What lies within a factor of two of the limit may fall on either side of it.
    also = {_SIDES[(right_ml >= factor * limit) + (left_ml >= factor * limit)] for factor in (0.5, 2.0)}
    words = f"lesion in pedicle, facet or costovertebral region: right {right_ml:.2f} ml, left {left_ml:.2f} ml"
    stated = f"counts from {limit:g} ml a side, within a factor of 2 uncertain ({rule}); fractures are not seen"
    return _component("posterolateral", code, words, stated, also=tuple(sorted(also)))


_SIDES = ("none", "unilateral", "bilateral")


def _holds(mask: Volume, points_mm: FloatArray) -> np.ndarray:
    return np.asarray(mask.sample(points_mm, order=0, outside=0.0) > 0)
