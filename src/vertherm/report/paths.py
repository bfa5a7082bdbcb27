"""Pictures of needle paths in the CT: along the needle in two planes, and all paths of a search together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vertherm.access.path import AccessResult, NeedlePath
from vertherm.clinical.levels import parse_level
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.imaging.anatomy import Structure, StructureKind
from vertherm.planning.objects import Case
from vertherm.report import canvas, needle_marks, style
from vertherm.report.canvas import INCH_PER_MM, Picture, halo
from vertherm.report.patient import PatientPainter
from vertherm.report.planes import Plane, needle_planes, plane_with
from vertherm.report.sections import Section, bone_depth, sections

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOM_MM = 30.0
"""A needle that enters this near to the bottom left corner of a picture takes the place of the scale bar."""
_WIDEST_IN = 5.6
"""Width of an overview picture; it is drawn smaller than the others where the paths need more."""
_SLAB_MM = 4.0
"""A path is drawn solid where it lies this near to the plane of an overview."""


class PathPainter(PatientPainter):
    """Draws the paths to one target.

    Args:
        case: the patient.
        result: the search; its needle and placement error are drawn.
    """

    def __init__(self, case: Case, result: AccessResult) -> None:
        anatomy = case.anatomy
        vertebrae = tuple(
            Structure(f"vertebra {level}", StructureKind.bone, mask, False, "label", level)
            for level, mask in anatomy.vertebrae.items()
        )
        super().__init__(
            anatomy.ct,
            (*anatomy.structures, *vertebrae),
            {target.name: target.mask for target in case.targets},
            level=result.level,
            synthetic=anatomy.synthetic,
            made_up=[target.name for target in case.targets if target.synthetic],
        )
        self.result, self.needle = result, result.needle
        self.error_mm = placement_error(result)
        self.vertebra: Volume | None = anatomy.vertebrae.get(parse_level(result.level))
        self.bones = [item.mask for item in self.structures if item.kind is StructureKind.bone]
        self._centre = next((t.centre_mm for t in case.targets if t.name == result.target), None)

    def structure(self, name: str) -> Structure | None:
        """The structure of that name, where its outline is known."""
        return next((item for item in self.structures if item.name == name), None)

    @property
    def crossed(self) -> set[str]:
        """Names of what every path passes through: outlined, but never what a needle is near to."""
        return {f"vertebra {self.level}", "skin"}

    def shown(self, path: NeedlePath) -> set[str]:
        """Names of bones and discs that the pictures of a path outline: the target's vertebra and what is near."""
        return {f"vertebra {self.level}", *(clearance.name for clearance in path.clearances)}

    @property
    def canal(self) -> Volume | None:
        """The spinal canal, or the dural sac where there is none."""
        for kind in (StructureKind.canal, StructureKind.dural_sac):
            found = next((item.mask for item in self.structures if item.kind is kind), None)
            if found is not None:
                return found
        return None

    def sections(self, path: NeedlePath) -> list[Section]:
        """The cross-sections worth a picture."""
        return sections(path, self.bones, self.vertebra, self.canal, self.needle.focus_mm)

    def bone_depth(self, path: NeedlePath) -> float | None:
        """Skin to the first bone along the needle."""
        return bone_depth(path.trajectory, self.bones)

    # along the needle

    def along(self, path: NeedlePath) -> list[Picture]:
        """The path in the two planes that hold it."""
        pictures = []
        for plane in needle_planes(path.trajectory, self.ct.grid):
            figure, title = self.draw_along(path, plane)
            what = f"needle from the {entry_words(path)} to its tip {path.length_mm:.0f} mm deep; {nearest_words(path)}"
            pictures.append(canvas.encode(figure, title, self.alt(title, plane, what)))
        return pictures

    def draw_along(self, path: NeedlePath, plane: Plane) -> tuple[Figure, str]:
        """One figure of :meth:`along`."""
        figure, _ = canvas.plane_figure([plane])
        title = f"{path.name}: {plane_words(plane)}"
        ax = canvas.picture_axes(figure, plane, title=title)
        self.background(ax, plane)
        drawn = needle_marks.in_picture(path.trajectory, plane)
        derived = self.outlines(ax, plane, names=True, also=self.shown(path), keep_off=needle_marks.occupied(drawn))
        self.outline_lesions(ax, plane)
        radius = self.needle.radius_mm
        needle_marks.reference_zone(ax, drawn, path, self.needle, plane)
        if self.error_mm:
            needle_marks.error_tube(ax, drawn, radius + self.error_mm)
        needle_marks.band(ax, drawn, radius)
        # The skin's outline bears its name already.
        needle_marks.ticks(ax, drawn, radius, "0" if path.entry_kind == "skin" else entry_words(path))
        u, v = drawn.at(0.0, 0.0) - (plane.u_mm[0], plane.v_mm[0])
        self.finish(ax, plane, derived, bar_top=bool(u < ROOM_MM and v < ROOM_MM))
        return figure, title

    # all paths

    def overview(self, paths: Sequence[NeedlePath], chosen: str = "") -> list[Picture]:
        """All paths in an axial and a sagittal plane through the target, in colours and with their names."""
        pictures = []
        for name in ("axial", "sagittal"):
            plane = self.overview_plane(name, paths)
            figure, title = self.draw_overview(paths, plane, chosen)
            what = f"{len(paths)} paths: {', '.join(f'{p.name} {p.approach} {p.side}' for p in paths)}"
            pictures.append(canvas.encode(figure, title, self.alt(title, plane, what)))
        return pictures

    def overview_plane(self, name: str, paths: Sequence[NeedlePath]) -> Plane:
        """A standard plane through the target that shows every path from skin to tip."""
        entries = np.stack([path.trajectory.entry_mm for path in paths])
        centre = paths[0].trajectory.tip_mm if self._centre is None else self._centre
        return plane_with(name, centre, entries, self.ct.grid)

    def draw_overview(self, paths: Sequence[NeedlePath], plane: Plane, chosen: str = "") -> tuple[Figure, str]:
        """One figure of :meth:`overview`."""
        scale = min(INCH_PER_MM, _WIDEST_IN / plane.size_mm[0])
        figure, _ = canvas.plane_figure([plane], scale=scale)
        title = f"All paths, {plane.name} plane through the target"
        ax = canvas.picture_axes(figure, plane, title=title, scale=scale)
        self.background(ax, plane)
        derived = self.outlines(ax, plane, names=False)
        self.outline_lesions(ax, plane)
        # The scale bar at the left and the marks at the right of the bottom edge.
        taken = [np.array([plane.u_mm[0] + along, plane.v_mm[0] + 8.0]) for along in (6.0, 18.0)]
        taken += [np.array([plane.u_mm[1] - along, plane.v_mm[0] + 4.0]) for along in range(5, 45, 5)]
        for position, path in enumerate(paths):
            colour = style.path_colour(position)
            self._line(ax, plane, path, colour, 2.6 if path.name == chosen else 1.5, style.path_cored(position))
            _tag(ax, plane, path, colour, taken, 0.30 / scale)
        self.finish(ax, plane, derived)
        return figure, title

    def _line(self, ax: Axes, plane: Plane, path: NeedlePath, colour: str, width: float, cored: bool) -> None:
        needle = path.trajectory
        u, v, distance = plane.project(needle.point_mm(np.linspace(0.0, needle.length_mm, 200)))
        near = np.abs(distance) <= _SLAB_MM
        ax.plot(u, v, color=colour, lw=width, ls=(0, (3, 2)), path_effects=halo(width + 1.2), zorder=12)
        ax.plot(
            np.where(near, u, np.nan), np.where(near, v, np.nan), color=colour, lw=width + 0.6,
            path_effects=halo(width + 1.8), zorder=13,
        )  # fmt: skip
        if cored:
            ax.plot(u, v, color="black", lw=0.5 * width, zorder=13.5)
        ax.plot(u[:1], v[:1], "o", ms=3.5, mfc=colour, mec="black", mew=0.8, zorder=14)


def _tag(ax: Axes, plane: Plane, path: NeedlePath, colour: str, taken: list[FloatArray], gap_mm: float) -> None:
    """Write a path's name where it enters, beside the names already there."""
    marks = needle_marks.in_picture(path.trajectory, plane)
    low, high = np.array([plane.u_mm[0], plane.v_mm[0]]), np.array([plane.u_mm[1], plane.v_mm[1]])
    room = [
        place
        for back in (4.0, 10.0, 16.0, 22.0, 28.0, 34.0, 40.0)
        for side in (0.0, gap_mm, -gap_mm, 2 * gap_mm, -2 * gap_mm)
        if ((place := marks.at(back, side)) > low + 4).all() and (place < high - 4).all()
    ]
    place = next((p for p in room if all(np.linalg.norm(p - t) >= gap_mm for t in taken)), marks.at(4.0))
    taken.append(place)
    ax.annotate(
        path.name, _pair(marks.at(1.0)), xytext=_pair(place), fontsize=7, weight="bold", ha="center", va="center",
        color="black",
        bbox={"facecolor": colour, "edgecolor": "black", "pad": 1.2, "linewidth": 0.6}, zorder=20,
        arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.8},
    )  # fmt: skip


def _pair(place: FloatArray) -> tuple[float, float]:
    return float(place[0]), float(place[1])


def placement_error(result: AccessResult) -> float | None:
    """Radius of the tube of the placement error: as stated, else by how much the clearances shrink with it."""
    if result.placement_error_mm is not None:
        return result.placement_error_mm
    shrunk = [c.distance_mm - c.after_error_mm for path in result.paths for c in path.clearances]
    return float(np.median(shrunk)) if shrunk else None


def entry_words(path: NeedlePath) -> str:
    """Where the drawn needle begins."""
    return "skin" if path.entry_kind == "skin" else "image edge"


def nearest_words(path: NeedlePath) -> str:
    """The structure with the least to spare, in words."""
    near = path.nearest
    if near is None:
        return "no structure near"
    return f"nearest is {near.name}, {near.distance_mm:.1f} mm, {near.after_error_mm:.1f} mm after the placement error"


def plane_words(plane: Plane) -> str:
    """What a plane along a needle is, with its tilt to the standard view it is nearest to."""
    views = {"axial": (0.0, 0.0, -1.0), "coronal": (0.0, 1.0, 0.0), "sagittal": (-1.0, 0.0, 0.0)}
    name, normal = max(views.items(), key=lambda view: abs(float(plane.normal @ np.array(view[1]))))
    tilt = float(np.degrees(np.arccos(np.clip(abs(plane.normal @ np.array(normal)), 0.0, 1.0))))
    return f"along the needle, {name}" + (f" tilted by {tilt:.0f}°" if tilt >= 0.5 else "")
