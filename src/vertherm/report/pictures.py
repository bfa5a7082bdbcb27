"""The anatomical pictures: CT, temperature, lesion, zones, needle and structures on planes through the target."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.planning.assessment import Assessment
from vertherm.planning.scene import Needle, Scene, ZoneField
from vertherm.report import canvas, style
from vertherm.report.canvas import INCH_PER_MM, Picture, halo
from vertherm.report.patient import LegendRow, PatientPainter
from vertherm.report.planes import Plane, needle_plane, sampled, standard_plane
from vertherm.report.slices import STEP_MM, zone_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FROM_C, _FULL_C = 38.0, 46.0
"""The temperature overlay fades in between these: below, the CT shows untouched."""


class Painter(PatientPainter):
    """Draws the pictures of one assessed scene; what is drawn ends up in :attr:`legend`."""

    def __init__(self, assessment: Assessment, scene: Scene) -> None:
        synthetic = {target.name: target.synthetic for target in assessment.targets}
        super().__init__(
            scene.ct,
            scene.structures,
            scene.lesions,
            level=assessment.level,
            synthetic=assessment.synthetic,
            made_up=[name for name in scene.lesions if synthetic.get(name, assessment.synthetic)],
        )
        self.assessment, self.scene = assessment, scene
        self._planes: dict[str, Plane] = {}
        # Planes and volumes are kept as in the other cache.
        self._fields: dict[tuple[int, int, str], tuple[Plane, Volume, FloatArray, float]] = {}

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

    @cached_property
    def close_planes(self) -> list[Plane]:
        """The three standard planes through the focus, 60 mm wide."""
        return [standard_plane(n, self.focus_mm, self.scene.ct.grid, 30.0) for n in ("axial", "coronal", "sagittal")]

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

    def out_of_view(self, names: Iterable[str]) -> list[str]:
        """Names of outlined structures that cross none of the planes."""
        return self.not_seen(self.plane(name) for name in names)

    # pictures

    def anatomy(self, name: str) -> Picture:
        """CT in the bone window with lesion, needle and structures."""
        figure, title = self.draw_anatomy(name)
        return canvas.encode(figure, title, self.alt(title, self.plane(name), "no temperatures"))

    def temperature(self, name: str) -> Picture:
        """CT with the nominal peak temperature, zones, lesion, needle and structures."""
        figure, title = self.draw_temperature(name)
        peak = f"peak temperature of the nominal member up to {float(np.nanmax(self.scene.peak_c.data)):.0f} °C"
        return canvas.encode(figure, title, self.alt(title, self.plane(name), peak))

    def mr(self, name: str) -> Picture:
        """MR in the same plane with lesion, needle and structures."""
        figure, title = self.draw_mr(name)
        return canvas.encode(figure, title, self.alt(title, self.plane(name), "no temperatures"))

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
        self.background(ax, plane)
        derived = self.outlines(ax, plane, names=True)
        self.tint_protection(ax, plane, names=True)
        self.outline_lesions(ax, plane)
        self.draw_needles(ax, plane)
        self._thermocouples(ax, plane)
        self.finish(ax, plane, derived)
        return figure, title

    def draw_temperature(self, name: str) -> tuple[Figure, str]:
        """The figure of :meth:`temperature`."""
        plane = self.plane(name)
        figure, _ = canvas.plane_figure([plane], right_in=0.62)
        title = f"{_title(name)}: peak temperature (nominal)"
        ax = canvas.picture_axes(figure, plane, title=title)
        self.background(ax, plane)
        self._heat(figure, ax, plane)
        derived = self.outlines(ax, plane, names=False)
        self.tint_protection(ax, plane, names=False)
        self.outline_lesions(ax, plane)
        for position, zone in enumerate(self.scene.zones):
            self._contour(ax, plane, zone, zone.nominal, style.zone_colour(position), 1.5)
        self.draw_needles(ax, plane)
        self.finish(ax, plane, derived)
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
        canvas.grey(ax, values, float(low), float(max(high, low + 1e-6)))
        derived = self.outlines(ax, plane, names=True)
        self.tint_protection(ax, plane, names=True)
        self.outline_lesions(ax, plane)
        self.draw_needles(ax, plane)
        self._thermocouples(ax, plane)
        self.finish(ax, plane, derived)
        return figure, title

    def draw_zones(self, zone: ZoneField, position: int) -> tuple[Figure, str]:
        """The figure of :meth:`zones`."""
        figure, starts = canvas.plane_figure(self.close_planes)
        colour = style.zone_colour(position)
        for plane, start in zip(self.close_planes, starts, strict=True):
            ax = canvas.picture_axes(figure, plane, start, title=f"{zone.label.split(' (')[0]}, {plane.name}")
            self.background(ax, plane)
            self._between(ax, plane, zone, colour)
            for volume in (zone.smallest, zone.largest):
                self._contour(ax, plane, zone, volume, colour, 0.9, dashed=True)
            self._contour(ax, plane, zone, zone.nominal, colour, 1.8)
            self.outline_lesions(ax, plane)
            self.draw_needles(ax, plane, label=False)
            self.finish(ax, plane, False, bar_mm=10.0)
        return figure, f"Zone by {zone.label}"

    # layers

    def foreground(self, ax: Axes, plane: Plane) -> None:
        """Lesion, needles and marks over it."""
        self.outline_lesions(ax, plane)
        self.draw_needles(ax, plane, label=False)
        self.finish(ax, plane, False, bar_mm=10.0)

    def tint_protection(self, ax: Axes, plane: Plane, *, names: bool) -> None:
        """Where gas or fluid lies: a tint with dots and its outline."""
        for item in self.scene.protection:
            inside = self.covered(plane, item.region)
            if inside.max() < 0.5:
                continue
            ax.contourf(
                *plane.axes(STEP_MM), inside, levels=[0.5, 2.0], colors=[style.MEDIUM_COLOUR], alpha=0.3, zorder=2,
                hatches=["...."],
            )  # fmt: skip
            self.outline(ax, plane, inside, 0.5, style.MEDIUM_COLOUR, 1.6)
            name = f"{item.name} ({style.medium(item.medium)})"
            self._drawn.setdefault(f"medium {item.name}", LegendRow(name, style.MEDIUM_COLOUR, False, "dotted area"))
            if names:
                self.ask_name(plane, inside, name, style.MEDIUM_COLOUR)

    def _thermocouples(self, ax: Axes, plane: Plane) -> None:
        """Points that lie within 2 mm of the plane, with their names."""
        for row in self.assessment.thermocouples:
            u, v, distance = plane.project(np.array(row.position_ras_mm))
            if abs(float(distance)) <= 2.0:
                ax.plot(
                    u, v, marker="P", ms=6, mfc="#f0e442", mec="black", mew=0.9, ls="none", zorder=15,
                    gid="thermocouple",
                )  # fmt: skip
                ax.annotate(
                    row.name, (float(u), float(v)), xytext=(5, 4), textcoords="offset points", color="#f0e442",
                    fontsize=6.5, weight="bold", path_effects=halo(2), zorder=21, annotation_clip=True,
                )  # fmt: skip

    def _heat(self, figure: Figure, ax: Axes, plane: Plane) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        from vertherm.report.ground import Ground

        values = sampled(self.scene.peak_c, plane, STEP_MM)
        alpha = 0.62 * np.clip((np.nan_to_num(values, nan=0.0) - _FROM_C) / (_FULL_C - _FROM_C), 0.0, 1.0)
        colours = ScalarMappable(Normalize(37.0, self.hottest_c), "inferno")
        pixels = colours.to_rgba(np.nan_to_num(values, nan=37.0), bytes=True)
        pixels[..., 3] = 255 * alpha
        ax.add_artist(Ground(pixels, zorder=1))
        total_w, total_h = figure.get_size_inches()
        width, height = (size * INCH_PER_MM for size in plane.size_mm)
        bar_ax = figure.add_axes(
            ((width + 0.08) / total_w, 0.08 * height / total_h, 0.12 / total_w, 0.84 * height / total_h)
        )
        over = float(np.nanmax(self.scene.peak_c.data)) > self.hottest_c
        bar = figure.colorbar(colours, cax=bar_ax, extend="max" if over else "neither")
        ticks = [t for t in (37, 43, 45, 50, 54, 60, 70, 80, 90, 100, 110) if t <= self.hottest_c]
        bar.set_ticks([float(t) for t in ticks], labels=[str(t) for t in ticks])
        bar.ax.tick_params(labelsize=7)
        bar.ax.set_title("°C", fontsize=8, pad=6)

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
        values, level = self._zone_values(plane, zone, volume)
        self.outline(ax, plane, values, level, colour, width, dashed=dashed)

    def _zone_values(self, plane: Plane, zone: ZoneField, volume: Volume) -> tuple[FloatArray, float]:
        """One of a zone's fields on a plane and its level; kept, because several zones share the temperature."""
        key = (id(plane), id(volume), zone.quantity if zone.quantity == "peak_c" else zone.metric)
        if key not in self._fields:
            self._fields[key] = (plane, volume, *zone_values(zone, volume, plane))
        _, _, values, level = self._fields[key]
        return values, zone.level if zone.quantity == "peak_c" else level

    def _between(self, ax: Axes, plane: Plane, zone: ZoneField, colour: str) -> None:
        """Tint where members disagree: inside the largest zone, outside the smallest."""
        largest, level = self._zone_values(plane, zone, zone.largest)
        smallest, _ = self._zone_values(plane, zone, zone.smallest)
        undecided = (np.nan_to_num(largest, nan=-np.inf) >= level) & (np.nan_to_num(smallest, nan=-np.inf) < level)
        if undecided.any():
            from matplotlib.colors import to_rgba

            from vertherm.report.ground import Ground

            tint = np.array([*to_rgba(colour)[:3], 0.28])
            pixels = (255 * tint * undecided[..., None]).astype(np.uint8)
            ax.add_artist(Ground(pixels, smooth=False, zorder=1))

    def draw_needles(self, ax: Axes, plane: Plane, *, label: bool = True) -> None:
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


def _title(name: str) -> str:
    return {"needle": "Along the needle"}.get(name, name.capitalize())
