"""Pictures of a follow-up: planning scan beside the registered examination, the margin over the lesion, the course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.followup.verify import Followup, Visit
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture
from vertherm.report.patient import LegendRow, PatientPainter
from vertherm.report.planes import Plane, standard_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ZONE_COLOUR = "#ffffff"
PREDICTED_COLOUR = "#f0e442"
CEMENT_COLOUR = "#ffb000"
TUMOUR_COLOUR = "#e02a00"
MARGIN_LIMITS_MM = (-5.0, 15.0)
_HALF_MM = 34.0
_PLANES = ("axial", "coronal", "sagittal")


class VisitPainter(PatientPainter):
    """Draws one examination of one lesion; the image is the examination, or the planning scan.

    Args:
        followup: the whole.
        visit: one lesion at one examination.
        after: True for the examination, False for the planning scan.
    """

    def __init__(self, followup: Followup, visit: Visit, *, after: bool) -> None:
        case, seen = followup.planned.case, visit.examined
        image = seen.image if after and seen.image is not None else case.anatomy.ct
        made_up = "SYNTHETIC" in seen.scan.image.source.upper() and after
        super().__init__(
            image,
            case.anatomy.structures,
            {visit.target.name: visit.target.mask},
            level=str(visit.target.level),
            synthetic=made_up or case.anatomy.synthetic,
            made_up=[visit.target.name] if visit.target.synthetic else [],
        )
        self.visit, self.after = visit, after
        self._grey = _window(image) if after and seen.scan.entry.modality == "MR" else _bone_window()

    def background(self, ax: Axes, plane: Plane) -> None:
        """CT in the bone window, MR between its own percentiles."""
        canvas.grey(ax, self.hounsfield(plane), *self._grey)

    def paint(self, ax: Axes, plane: Plane) -> None:
        """Image, structures, lesion, and what was planned or seen."""
        self.background(ax, plane)
        derived = self.outlines(ax, plane, names=not self.after)
        predicted = deciding(self.visit)
        if predicted is not None:
            self._ring(ax, plane, predicted, PREDICTED_COLOUR, dashed=True)
        seen = self.visit.examined
        if self.after and seen.seen_zone is not None:
            self._ring(ax, plane, seen.seen_zone.mask, ZONE_COLOUR)
        if self.after and seen.cement is not None:
            self._ring(ax, plane, seen.cement.mask, CEMENT_COLOUR, width=1.3)
        if self.after and seen.tumour_mask is not None:
            self._ring(ax, plane, seen.tumour_mask, TUMOUR_COLOUR, width=1.3)
        self.outline_lesions(ax, plane)
        self.finish(ax, plane, derived, bar_mm=10.0)

    def _ring(
        self, ax: Axes, plane: Plane, mask: Volume, colour: str, *, dashed: bool = False, width: float = 1.8
    ) -> None:
        if mask.data.any():
            self.outline(ax, plane, self.covered(plane, mask), 0.5, colour, width, dashed=dashed)


def deciding(visit: Visit) -> Volume | None:
    """The smallest predicted zone that holds anything: what was promised at least."""
    masks = [zone.mask for zone in visit.predicted if zone.mask.data.any()]
    return min(masks, key=lambda mask: float(np.count_nonzero(mask.data)) * mask.grid.voxel_volume_ml, default=None)


def _bone_window() -> tuple[float, float]:
    centre, width = style.BONE_WINDOW
    return centre - width / 2, centre + width / 2


def _window(image: Volume) -> tuple[float, float]:
    low, high = np.percentile(image.data, [2.0, 99.0])
    return float(low), float(max(high, low + 1.0))


def legend(visit: Visit) -> list[LegendRow]:
    """What the lines of :func:`before_and_after` mean, besides structures."""
    rows = [LegendRow("lesion", style.LESION_COLOUR, False, "as planned")]
    if deciding(visit) is not None:
        rows.append(LegendRow("predicted zone", PREDICTED_COLOUR, True, "smallest of the metrics"))
    if visit.examined.seen_zone is not None:
        rows.append(LegendRow("treated zone", ZONE_COLOUR, False, "as seen"))
    if visit.examined.cement is not None and visit.examined.cement.mask.data.any():
        rows.append(LegendRow("cement", CEMENT_COLOUR, False))
    if visit.examined.tumour_mask is not None:
        rows.append(LegendRow("tumour", TUMOUR_COLOUR, False, "as drawn"))
    return rows


def before_and_after(followup: Followup, visit: Visit) -> list[Picture]:
    """Planning scan and registered examination side by side, in three planes through the point that decides."""
    before, after = (VisitPainter(followup, visit, after=is_after) for is_after in (False, True))
    margin = visit.examined.margin
    focus = visit.target.centre_mm if margin is None else np.asarray(margin.worst_point_mm)
    focus = 0.5 * (focus + visit.target.centre_mm)
    name = visit.examined.scan.entry.name
    pictures = []
    for plane_name in _PLANES:
        plane = standard_plane(plane_name, focus, visit.examined.scene.grid, _HALF_MM)
        figure, starts = canvas.plane_figure([plane, plane])
        for painter, start, title in zip((before, after), starts, ("planned", name), strict=True):
            ax = canvas.picture_axes(figure, plane, start, title=f"{title}, {plane_name}")
            painter.paint(ax, plane)
        title = f"Planned and {name}, {plane_name}"
        alt = after.alt(title, plane, "left the planning scan, right the examination laid on it")
        pictures.append(canvas.encode(figure, title, alt))
    return pictures


def margin_picture(visit: Visit, *, synthetic: bool) -> Picture | None:
    """The margin over the lesion's surface as an equal-area map, with its distribution; None without a margin."""
    margin = visit.examined.margin
    if margin is None or margin.zone_empty:
        return None
    from matplotlib.colors import TwoSlopeNorm

    figure = canvas.new_figure(9.2, 3.1)
    ax = figure.add_axes((0.055, 0.15, 0.52, 0.72))
    values = _map(np.asarray(margin.vertices_mm) - visit.target.centre_mm, np.asarray(margin.margins_mm))
    low, high = _limits(margin.goal_mm)
    norm = TwoSlopeNorm(margin.goal_mm, low, high)
    image = ax.imshow(
        values,
        extent=(-180, 180, -1, 1),
        origin="lower",
        aspect="auto",
        cmap="RdYlBu",
        norm=norm,
        interpolation="nearest",
    )
    x, y = np.linspace(-179, 179, values.shape[1]), np.linspace(-0.99, 0.99, values.shape[0])
    for level, dash in ((0.0, "solid"), (margin.goal_mm, "dashed")):
        if values.min() < level <= values.max():
            ax.contour(x, y, values, [level], colors="black", linewidths=1.2, linestyles=dash)
    ax.set_xticks([-180, -90, 0, 90, 180], ["posterior", "right", "anterior", "left", "posterior"], fontsize=7.5)
    ax.set_yticks([-0.9, 0.0, 0.9], ["I", "", "S"], fontsize=9)
    ax.set_title("Margin, seen from the middle of the lesion", fontsize=9, weight="bold", loc="left")
    _worst(ax, np.asarray(margin.worst_point_mm) - visit.target.centre_mm)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    _distribution(figure, margin.margins_mm, margin.areas_mm2, margin.goal_mm)
    bar = figure.colorbar(image, cax=figure.add_axes((0.59, 0.15, 0.012, 0.72)))
    bar.set_label("mm", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    title = f"Margin at {visit.target.name}, {visit.examined.scan.entry.name}"
    band = f"{margin.minimum_mm:.1f} mm ({margin.low_mm:.1f} to {margin.high_mm:.1f})"
    alt = (
        f"{title}: map of the margin over the lesion's surface and its distribution; smallest {band}. "
        f"{style.SYNTHETIC_MARK + '. ' if synthetic else ''}Research only."
    )
    return canvas.encode(figure, title, alt)


def _limits(goal_mm: float) -> tuple[float, float]:
    """Of the colours, mm: the goal always lies well inside."""
    return MARGIN_LIMITS_MM[0], max(MARGIN_LIMITS_MM[1], goal_mm + 5.0)


def _map(directions: FloatArray, values: FloatArray) -> NDArray[np.float64]:
    """Values on a grid of longitude and sine of latitude (equal areas), each from the three nearest directions."""
    from scipy.spatial import cKDTree

    unit = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    longitude, height = np.meshgrid(np.radians(np.linspace(-179, 179, 180)), np.linspace(-0.99, 0.99, 90))
    level = np.sqrt(1.0 - height**2)
    # Longitude 0 is anterior, +90 the patient's left: as seen from the front.
    rays = np.stack([-level * np.sin(longitude), level * np.cos(longitude), height], axis=-1)
    away, near = cKDTree(unit).query(rays.reshape(-1, 3), k=3)
    weight = 1.0 / np.maximum(away, 1e-4)
    return np.asarray(((values[near] * weight).sum(axis=1) / weight.sum(axis=1)).reshape(height.shape))


def _worst(ax: Axes, direction: FloatArray) -> None:
    unit = direction / max(float(np.linalg.norm(direction)), 1e-9)
    longitude = float(np.degrees(np.arctan2(-unit[0], unit[1])))
    ax.plot(longitude, unit[2], "x", color="black", ms=8, mew=2.0)


def _distribution(figure: Figure, margins: FloatArray, areas: FloatArray, goal_mm: float) -> None:
    ax = figure.add_axes((0.74, 0.15, 0.25, 0.72))
    low, high = _limits(goal_mm)
    edges = np.linspace(low, high, 41)
    counts, _ = np.histogram(np.clip(margins, low, high - 1e-6), edges, weights=100.0 * areas / areas.sum())
    colours = ["#d73027" if e < 0 else "#fdae61" if e < goal_mm else "#4575b4" for e in edges[:-1]]
    ax.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=colours)
    for x, dash in ((0.0, "-"), (goal_mm, "--")):
        ax.axvline(x, color="black", lw=1.0, ls=dash)
    ax.set_xlabel("margin (mm)", fontsize=8)
    ax.set_ylabel("% of the surface", fontsize=8)
    ax.tick_params(labelsize=7)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def course_picture(visits: Sequence[Visit], *, synthetic: bool) -> Picture | None:
    """Volumes of zone, cement and tumour over the examinations; None for fewer than two."""
    if len(visits) < 2:
        return None
    figure = canvas.new_figure(8.4, 2.6)
    ax = figure.add_axes((0.08, 0.24, 0.7, 0.62))
    names = [visit.examined.scan.entry.name for visit in visits]
    rows = {
        "treated zone": ("#56b4e9", [None if v.size is None else v.size.volume_ml for v in visits]),
        "cement": (CEMENT_COLOUR, [None if v.examined.cement is None else v.examined.cement.volume_ml for v in visits]),
        "tumour": (TUMOUR_COLOUR, [None if v.examined.tumour is None else v.examined.tumour.volume_ml for v in visits]),
    }
    x = np.array([_day(visit, visits[0]) for visit in visits], float)
    for name, (colour, values) in rows.items():
        known = [(a, b) for a, b in zip(x, values, strict=True) if b is not None]
        if known:
            ax.plot(*zip(*known, strict=True), "o-", color=colour, mec="black", mew=0.6, lw=1.8, label=name)
    ax.set_xticks(x, [f"{n}\n{d:.0f} d" for n, d in zip(names, x, strict=True)], fontsize=7.5)
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("ml", fontsize=8)
    ax.tick_params(axis="y", labelsize=7)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, frameon=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    canvas.stamp_diagram(ax, synthetic=synthetic)
    title = f"Course of {visits[0].target.name}"
    alt = f"{title}: volumes of treated zone, cement and tumour at {', '.join(names)}. Research only."
    return canvas.encode(figure, title, alt)


def _day(visit: Visit, first: Visit) -> int:
    now, then = visit.examined.scan.entry.date, first.examined.scan.entry.date
    return 0 if now is None or then is None else (now - then).days
