"""The anatomical pictures: CT, temperature, lesion, zones, needle and structures on planes through the target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.planning.assessment import Assessment
from vertherm.planning.scene import Needle, Scene, ZoneField
from vertherm.report import canvas, style
from vertherm.report.canvas import INCH_PER_MM, Picture, halo
from vertherm.report.planes import Plane, needle_plane, sampled, standard_plane
from vertherm.report.slices import STEP_MM, mask_values, zone_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FROM_C, _FULL_C = 38.0, 46.0
"""The temperature overlay fades in between these: below, the CT shows untouched."""
_NOT_OUTLINED = frozenset({"bone", "muscle", "cortex", "disc", "lung"})


@dataclass(frozen=True)
class LegendRow:
    """One line of the legend: what it is, its colour, whether its outline is dashed."""

    name: str
    colour: str
    dashed: bool
    note: str = ""


class Painter:
    """Draws the pictures of one assessed scene; what is drawn ends up in :attr:`legend`."""

    def __init__(self, assessment: Assessment, scene: Scene) -> None:
        self.assessment, self.scene = assessment, scene
        self._drawn: dict[str, LegendRow] = {}
        self._planes: dict[str, Plane] = {}
        self._masks: dict[tuple[int, int, bool], NDArray[Any]] = {}

    @cached_property
    def focus_mm(self) -> FloatArray:
        """The point all standard planes go through: the given focus, else the lesion's centre, else the tip."""
        if self.scene.focus_mm is not None:
            return np.asarray(self.scene.focus_mm, float)
        for lesion in self.scene.lesions.values():
            voxels = np.argwhere(lesion.data)
            if len(voxels):
                return lesion.grid.world(voxels.mean(axis=0))
        return self.scene.needles[0].trajectory.tip_mm

    @cached_property
    def hottest_c(self) -> float:
        """Top of the colour scale: the nominal peak, at most 110 degC (beyond, water has boiled off)."""
        return float(np.clip(np.nanmax(self.scene.peak_c.data), 50.0, 110.0))

    def plane(self, name: str) -> Plane:
        """A standard plane through the focus, or "needle": through the needle and the structure nearest its limit."""
        grid = self.scene.ct.grid
        if name not in self._planes:
            self._planes[name] = (
                needle_plane(self._nearest_needle(), self._deciding_point(), grid)
                if name == "needle"
                else standard_plane(name, self.focus_mm, grid)
            )
        return self._planes[name]

    def covered(self, plane: Plane, mask: Volume, *, smooth: bool = True) -> NDArray[Any]:
        """How far a mask covers a plane; kept, because each plane is drawn several times."""
        # Planes and masks live as long as the painter, so their identities are safe keys.
        key = (id(plane), id(mask), smooth)
        if self._planes.get(plane.name) is not plane:
            return mask_values(mask, plane, smooth=smooth)
        if key not in self._masks:
            self._masks[key] = mask_values(mask, plane, smooth=smooth).astype(np.float32)
        return self._masks[key]

    @cached_property
    def deciding(self) -> str:
        """Name of the structure that reaches the highest temperature in the worst member, "" where none is judged."""
        rows = [row for row in self.assessment.structures if row.peak_temperature_c is not None]
        known = {structure.name for structure in self.scene.structures}
        order = {"stop": 2, "warn": 1}
        rows = [row for row in rows if row.name in known]
        best = max(rows, key=lambda row: (order.get(row.status, 0), row.peak_temperature_c.high), default=None)  # type: ignore[union-attr]
        return best.name if best else ""

    def _deciding_point(self) -> FloatArray:
        for structure in self.scene.structures:
            if structure.name == self.deciding:
                voxels = np.argwhere(structure.mask.data)
                if len(voxels):
                    points = structure.mask.grid.world(voxels)
                    return points[np.argmin(self._from_antennas(points).min(axis=1))]
        return self.focus_mm

    def _from_antennas(self, points_mm: FloatArray) -> FloatArray:
        """Distances (n, needles) of points from the radiating part of each needle."""
        middles = np.stack([needle.trajectory.point_mm(10.0) for needle in self.scene.needles])
        return np.asarray(np.linalg.norm(points_mm[:, None, :] - middles, axis=2))

    def _nearest_needle(self) -> Trajectory:
        """The needle nearest to the structure that decides."""
        distances = self._from_antennas(np.asarray(self._deciding_point(), float)[None])
        return self.scene.needles[int(np.argmin(distances))].trajectory

    def legend(self) -> list[LegendRow]:
        """What the outlines drawn so far mean."""
        return list(self._drawn.values())

    def out_of_view(self, names: Iterable[str]) -> list[str]:
        """Names of outlined structures that cross none of the planes."""
        planes = [self.plane(name) for name in names]
        outlined = [item for item in self.scene.structures if str(item.kind) not in _NOT_OUTLINED]
        return [item.name for item in outlined if not any(self.covered(p, item.mask).max() >= 0.5 for p in planes)]

    # pictures

    def anatomy(self, name: str) -> Picture:
        """CT in the bone window with lesion, needle and structures."""
        figure, title = self.draw_anatomy(name)
        return canvas.encode(figure, title, self._alt(title, name, "no temperatures"))

    def temperature(self, name: str) -> Picture:
        """CT with the nominal peak temperature, zones, lesion, needle and structures."""
        figure, title = self.draw_temperature(name)
        peak = f"peak temperature of the nominal member up to {float(np.nanmax(self.scene.peak_c.data)):.0f} °C"
        return canvas.encode(figure, title, self._alt(title, name, peak))

    def mr(self, name: str) -> Picture:
        """MR in the same plane with lesion, needle and structures."""
        figure, title = self.draw_mr(name)
        return canvas.encode(figure, title, self._alt(title, name, "no temperatures"))

    def zones(self, zone: ZoneField, position: int) -> Picture:
        """One metric in the three planes: nominal zone solid, smallest and largest of all members thin and dashed."""
        figure, title = self.draw_zones(zone, position)
        return canvas.encode(
            figure, title, f"{title}: nominal zone, smallest and largest zone and lesion in three planes."
        )

    def draw_anatomy(self, name: str) -> tuple[Figure, str]:
        """The figure of :meth:`anatomy`."""
        plane = self.plane(name)
        figure, _ = canvas.plane_figure([plane])
        title = f"{_title(name)}: CT, bone window"
        ax = canvas.picture_axes(figure, plane, title=title)
        self._ct(ax, plane)
        derived = self._structures(ax, plane, names=True)
        self._lesions(ax, plane)
        self._needles(ax, plane)
        self._finish(ax, plane, derived)
        return figure, title

    def draw_temperature(self, name: str) -> tuple[Figure, str]:
        """The figure of :meth:`temperature`."""
        plane = self.plane(name)
        figure, _ = canvas.plane_figure([plane], right_in=0.62)
        title = f"{_title(name)}: peak temperature (nominal)"
        ax = canvas.picture_axes(figure, plane, title=title)
        self._ct(ax, plane)
        self._heat(figure, ax, plane)
        derived = self._structures(ax, plane, names=False)
        self._lesions(ax, plane)
        for position, zone in enumerate(self.scene.zones):
            self._contour(ax, plane, zone, zone.nominal, style.zone_colour(position), 1.5)
        self._needles(ax, plane)
        self._finish(ax, plane, derived)
        return figure, title

    def draw_mr(self, name: str) -> tuple[Figure, str]:
        """The figure of :meth:`mr`."""
        assert self.scene.mr is not None
        plane = self.plane(name)
        figure, _ = canvas.plane_figure([plane])
        title = f"{_title(name)}: MR"
        ax = canvas.picture_axes(figure, plane, title=title)
        values = sampled(self.scene.mr, plane, STEP_MM)
        finite = values[np.isfinite(values)]
        low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
        canvas.grey(ax, plane, values, float(low), float(max(high, low + 1e-6)))
        derived = self._structures(ax, plane, names=True)
        self._lesions(ax, plane)
        self._needles(ax, plane)
        self._finish(ax, plane, derived)
        return figure, title

    def draw_zones(self, zone: ZoneField, position: int) -> tuple[Figure, str]:
        """The figure of :meth:`zones`."""
        planes = [standard_plane(n, self.focus_mm, self.scene.ct.grid, 30.0) for n in ("axial", "coronal", "sagittal")]
        figure, starts = canvas.plane_figure(planes)
        colour = style.zone_colour(position)
        for plane, start in zip(planes, starts, strict=True):
            ax = canvas.picture_axes(figure, plane, start, title=f"{zone.label.split(' (')[0]}, {plane.name}")
            self._ct(ax, plane)
            self._between(ax, plane, zone, colour)
            for volume in (zone.smallest, zone.largest):
                self._contour(ax, plane, zone, volume, colour, 0.9, dashed=True)
            self._contour(ax, plane, zone, zone.nominal, colour, 1.8)
            self._lesions(ax, plane)
            self._needles(ax, plane, label=False)
            self._finish(ax, plane, False, bar_mm=10.0)
        return figure, f"Zone by {zone.label}"

    # layers

    def background(self, ax: Axes, plane: Plane) -> None:
        """The CT under a map that another module draws."""
        self._ct(ax, plane)

    def foreground(self, ax: Axes, plane: Plane) -> None:
        """Lesion, needles and marks over it."""
        self._lesions(ax, plane)
        self._needles(ax, plane, label=False)
        self._finish(ax, plane, False, bar_mm=10.0)

    def _ct(self, ax: Axes, plane: Plane) -> None:
        centre, width = style.BONE_WINDOW
        canvas.grey(ax, plane, sampled(self.scene.ct, plane, STEP_MM), centre - width / 2, centre + width / 2)

    def _heat(self, figure: Figure, ax: Axes, plane: Plane) -> None:
        values = sampled(self.scene.peak_c, plane, STEP_MM)
        alpha = 0.62 * np.clip((np.nan_to_num(values, nan=0.0) - _FROM_C) / (_FULL_C - _FROM_C), 0.0, 1.0)
        image = ax.imshow(
            np.nan_to_num(values, nan=37.0),
            cmap="inferno",
            vmin=37.0,
            vmax=self.hottest_c,
            alpha=alpha,
            extent=(*plane.u_mm, *plane.v_mm),
            origin="lower",
            interpolation="bilinear",
            zorder=1,
        )
        total_w, total_h = figure.get_size_inches()
        width, height = (size * INCH_PER_MM for size in plane.size_mm)
        bar_ax = figure.add_axes(
            ((width + 0.08) / total_w, 0.08 * height / total_h, 0.12 / total_w, 0.84 * height / total_h)
        )
        from matplotlib.cm import ScalarMappable

        over = float(np.nanmax(self.scene.peak_c.data)) > self.hottest_c
        bar = figure.colorbar(ScalarMappable(image.norm, image.cmap), cax=bar_ax, extend="max" if over else "neither")
        ticks = [t for t in (37, 43, 45, 50, 54, 60, 70, 80, 90, 100, 110) if t <= self.hottest_c]
        bar.set_ticks([float(t) for t in ticks], labels=[str(t) for t in ticks])
        bar.ax.tick_params(labelsize=7)
        bar.ax.set_title("°C", fontsize=8, pad=6)

    def _structures(self, ax: Axes, plane: Plane, *, names: bool) -> bool:
        """Outlines of all structures that cross the plane; True where one of them is derived."""
        derived, taken = False, list[tuple[float, float]]()
        for structure in self.scene.structures:
            kind = str(structure.kind)
            if kind in _NOT_OUTLINED:
                continue
            inside = self.covered(plane, structure.mask, smooth=kind != "skin")
            if inside.max() < 0.5 or inside.min() > 0.5:
                continue
            colour = style.kind_colour(kind)
            self._draw(ax, plane, inside, 0.5, colour, 1.1, dashed=structure.derived)
            derived = derived or structure.derived
            row = LegendRow(
                _group(structure.name, kind), colour, structure.derived, "derived" if structure.derived else ""
            )
            self._drawn.setdefault(f"{row.name}{row.dashed}", row)
            if names:
                _name(ax, plane, inside, structure.name, colour, taken)
        return derived

    def _lesions(self, ax: Axes, plane: Plane) -> None:
        synthetic = {target.name: target.synthetic for target in self.assessment.targets}
        for name, lesion in self.scene.lesions.items():
            note = style.SYNTHETIC_MARK if synthetic.get(name, self.assessment.synthetic) else ""
            inside = self.covered(plane, lesion)
            if inside.max() >= 0.5:
                self._draw(ax, plane, inside, 0.5, style.LESION_COLOUR, 2.0)
                self._drawn.setdefault(f"lesion {name}", LegendRow(f"lesion: {name}", style.LESION_COLOUR, False, note))

    def _contour(
        self,
        ax: Axes,
        plane: Plane,
        zone: ZoneField,
        volume: Volume,
        colour: str,
        width: float,
        *,
        dashed: bool = False,
    ) -> None:
        values, level = zone_values(zone, volume, plane)
        self._draw(ax, plane, values, level, colour, width, dashed=dashed)

    def _draw(
        self,
        ax: Axes,
        plane: Plane,
        values: NDArray[Any],
        level: float,
        colour: str,
        width: float,
        *,
        dashed: bool = False,
    ) -> None:
        finite = values[np.isfinite(values)]
        if not finite.size or not finite.min() < level <= finite.max():
            return
        u, v = plane.axes(STEP_MM)
        lines = ax.contour(
            u, v, np.ma.masked_invalid(values), levels=[level], colors=[colour], linewidths=width,
            linestyles="dashed" if dashed else "solid", zorder=10,
        )  # fmt: skip
        lines.set_path_effects(halo(width + 1.0))

    def _between(self, ax: Axes, plane: Plane, zone: ZoneField, colour: str) -> None:
        """Tint where members disagree: inside the largest zone, outside the smallest."""
        largest, level = zone_values(zone, zone.largest, plane)
        smallest, _ = zone_values(zone, zone.smallest, plane)
        undecided = (np.nan_to_num(largest, nan=-np.inf) >= level) & (np.nan_to_num(smallest, nan=-np.inf) < level)
        from matplotlib.colors import ListedColormap

        ax.imshow(
            np.ma.masked_where(~undecided, undecided), cmap=ListedColormap([colour]), alpha=0.28,
            extent=(*plane.u_mm, *plane.v_mm), origin="lower", interpolation="nearest", zorder=1,
        )  # fmt: skip

    def _needles(self, ax: Axes, plane: Plane, *, label: bool = True) -> None:
        """Every needle; tips carry their antenna's name where there are several."""
        several = len(self.scene.needles) > 1
        for needle in self.scene.needles:
            self._needle(ax, plane, needle, label=label, name=f"{needle.name}: " if several else "")

    def _needle(self, ax: Axes, plane: Plane, drawn: Needle, *, label: bool, name: str) -> None:
        """A needle: its true width where it lies in the plane, a dashed line where it is projected onto it."""
        needle = drawn.trajectory
        u, v, distance = plane.project(
            needle.point_mm(np.linspace(0.0, needle.length_mm, 2 + int(needle.length_mm * 2)))
        )
        in_plane = np.abs(distance) <= max(drawn.shaft_radius_mm, 1.5)
        ax.plot(u, v, color=style.NEEDLE_COLOUR, lw=1.0, ls=(0, (4, 3)), path_effects=halo(2.4), zorder=12)
        width = max(2 * drawn.shaft_radius_mm * INCH_PER_MM * 72, 2.0)
        ax.plot(
            np.where(in_plane, u, np.nan), np.where(in_plane, v, np.nan), color=style.NEEDLE_COLOUR, lw=width,
            path_effects=halo(width + 1.6), solid_capstyle="butt", zorder=13,
        )  # fmt: skip
        ax.plot(
            u[:1], v[:1], marker="o", ms=4.5, mfc="white" if in_plane[0] else "none", mec="black", mew=1.0, zorder=14
        )
        if label and plane.u_mm[0] < u[0] < plane.u_mm[1] and plane.v_mm[0] < v[0] < plane.v_mm[1]:
            where = f"{name}tip" if in_plane[0] else f"{name}tip, {abs(distance[0]):.0f} mm off this plane"
            ax.annotate(
                where, (u[0], v[0]), xytext=(7, -9), textcoords="offset points", color="white", fontsize=6.5,
                path_effects=halo(2), zorder=20,
            )  # fmt: skip

    def _finish(self, ax: Axes, plane: Plane, derived: bool, bar_mm: float = 20.0) -> None:
        ax.set(xlim=plane.u_mm, ylim=plane.v_mm)
        canvas.orientation_marks(ax, plane)
        canvas.scale_bar(ax, plane, bar_mm)
        canvas.stamp(ax, synthetic=self.assessment.synthetic, derived=derived, level=self.assessment.level)

    def _alt(self, title: str, name: str, what: str) -> str:
        marks = self.plane(name).marks()
        lesions = ", ".join(self.scene.lesions) or "none"
        return (
            f"{title}, {self.assessment.level}. Picture left is {_words(marks['left'])}, picture right is "
            f"{_words(marks['right'])}. Lesion: {lesions}; {what}. "
            f"{style.SYNTHETIC_MARK + '. ' if self.assessment.synthetic else ''}Research only."
        )


def _title(name: str) -> str:
    return {"needle": "Along the needle"}.get(name, name.capitalize())


def _words(mark: str) -> str:
    names = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}
    return "patient " + "-".join(names[letter] for letter in mark)


def _group(name: str, kind: str) -> str:
    """Legend name: roots, vessels and bowel share a line by kind, single structures keep their name."""
    return {"root": "nerve roots", "vessel": "vessels", "bowel": "bowel"}.get(kind, name)


def _name(
    ax: Axes, plane: Plane, inside: NDArray[Any], name: str, colour: str, taken: list[tuple[float, float]]
) -> None:
    """Write a structure's name beside its outline, moved down while another name is in the way."""
    u, v = plane.axes(STEP_MM)
    rows, columns = np.nonzero(inside >= 0.5)
    if len(rows) * STEP_MM**2 < 2.0:
        return
    if len(rows) * STEP_MM**2 > 400 or np.ptp(u[columns]) > 30:
        nearest = int(np.argmin(np.hypot(u[columns], v[rows])))
        x, y = float(u[columns[nearest]]), float(v[rows[nearest]])
    else:
        x, y = float(u[columns].max() + 0.8), float(v[rows].mean())
    # Only names that stay beside what they name, clear of the letters at the edges, are written.
    if not (plane.u_mm[0] + 5 < x < plane.u_mm[1] - 12 and plane.v_mm[0] + 9 < y < plane.v_mm[1] - 7):
        return
    while any(abs(x - a) < 18 and abs(y - b) < 2.9 for a, b in taken) and y > plane.v_mm[0] + 9:
        y -= 2.9
    taken.append((x, y))
    ax.text(
        x,
        y,
        name,
        color=colour,
        fontsize=7,
        weight="bold",
        va="center",
        path_effects=halo(1.6),
        zorder=21,
        clip_on=True,
    )
