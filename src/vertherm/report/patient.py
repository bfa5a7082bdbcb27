"""What every picture of a patient shows: CT, outlines with their names, lesions, and the marks that must stay on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.surface import cropped
from vertherm.geometry.volume import Volume
from vertherm.imaging.anatomy import Structure
from vertherm.report import canvas, style
from vertherm.report.canvas import halo
from vertherm.report.labels import Room
from vertherm.report.planes import Plane, sampled
from vertherm.report.slices import STEP_MM, mask_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOT_OUTLINED = frozenset({"bone", "muscle", "cortex", "disc", "lung"})
"""Kinds whose outlines say little and hide much; a picture may ask for some of them by name."""

BORDER = 3
"""Voxels of nothing kept around a mask: more than its outline is rounded over."""


@dataclass(frozen=True)
class LegendRow:
    """One line of the legend: what it is, its colour, whether its outline is dashed."""

    name: str
    colour: str
    dashed: bool
    note: str = ""


class PatientPainter:
    """Draws a patient on picture planes; what is drawn ends up in :attr:`legend`.

    Args:
        ct: HU.
        structures: what may be outlined.
        lesions: name to mask.
        level: vertebra, written on every picture.
        synthetic: a lesion or the patient was made by a program.
        made_up: names of the lesions that were; None: all where ``synthetic``.
    """

    def __init__(
        self,
        ct: Volume,
        structures: tuple[Structure, ...],
        lesions: Mapping[str, Volume],
        *,
        level: str,
        synthetic: bool,
        made_up: Collection[str] | None = None,
    ) -> None:
        self.ct, self.structures, self.lesions = ct, structures, lesions
        self.level, self.synthetic = level, synthetic
        self._made_up = (set(lesions) if synthetic else set()) if made_up is None else set(made_up)
        self._drawn: dict[str, LegendRow] = {}
        self._names: list[Name] = []
        self._off: Iterable[NDArray[Any]] = ()
        # Planes and volumes are kept with what was sampled on them, so that their identities stay theirs.
        self._kept: dict[tuple[int, int, bool], tuple[Plane, Volume, NDArray[Any]]] = {}
        self._parts: dict[int, tuple[Volume, Volume]] = {}

    def legend(self) -> list[LegendRow]:
        """What the outlines drawn so far mean."""
        return list(self._drawn.values())

    def covered(self, plane: Plane, mask: Volume, *, smooth: bool = True) -> NDArray[Any]:
        """How far a mask covers a plane; kept, because each plane is drawn several times."""
        key = (id(plane), id(mask), smooth)
        if key not in self._kept:
            self._kept[key] = (plane, mask, mask_values(self._part(mask), plane, smooth=smooth))
        return self._kept[key][2]

    def _part(self, mask: Volume) -> Volume:
        """The mask without what is empty around it: most planes then miss it at once."""
        if id(mask) not in self._parts:
            inside = mask.data > 0
            self._parts[id(mask)] = (mask, cropped(mask, inside, BORDER) if inside.any() else mask)
        return self._parts[id(mask)][1]

    def hounsfield(self, plane: Plane) -> NDArray[Any]:
        """The CT on a plane; kept as well."""
        key = (id(plane), id(self.ct), False)
        if key not in self._kept:
            self._kept[key] = (plane, self.ct, sampled(self.ct, plane, STEP_MM))
        return self._kept[key][2]

    def background(self, ax: Axes, plane: Plane) -> None:
        """The CT in the bone window."""
        centre, width = style.BONE_WINDOW
        canvas.grey(ax, self.hounsfield(plane), centre - width / 2, centre + width / 2)

    def outlines(
        self,
        ax: Axes,
        plane: Plane,
        *,
        names: bool,
        also: Collection[str] = (),
        keep_off: NDArray[Any] | None = None,
    ) -> bool:
        """Outlines of all structures that cross the plane; True where one of them is derived.

        Args:
            ax: axes to draw on.
            plane: what they show.
            names: let :meth:`finish` write the names beside them.
            also: names of structures to outline although their kind is usually left out.
            keep_off: points (n, 2) of the picture that names must not cover.
        """
        derived = False
        self._off = () if keep_off is None else keep_off
        for structure in self.structures:
            kind = str(structure.kind)
            if kind in NOT_OUTLINED and structure.name not in also:
                continue
            inside = self.covered(plane, structure.mask, smooth=kind != "skin")
            if inside.max() < 0.5 or inside.min() > 0.5:
                continue
            colour = style.kind_colour(kind)
            self.outline(ax, plane, inside, 0.5, colour, 1.1, dashed=structure.derived)
            derived = derived or structure.derived
            self.note_outline(structure)
            if names:
                self.ask_name(plane, inside, structure.name, colour)
        return derived

    def ask_name(self, plane: Plane, inside: NDArray[Any], words: str, colour: str) -> None:
        """Let :meth:`finish` write a name, when all else stands where it must."""
        name = name_beside(plane, inside, words, colour)
        self._names += [] if name is None else [name]

    def note_outline(self, structure: Structure) -> None:
        """Take a drawn structure into the legend."""
        kind = str(structure.kind)
        note = "derived" if structure.derived else ""
        row = LegendRow(_group(structure.name, kind), style.kind_colour(kind), structure.derived, note)
        self._drawn.setdefault(f"{row.name}{row.dashed}", row)

    def outline_lesions(self, ax: Axes, plane: Plane) -> None:
        """Outlines of the lesions that cross the plane."""
        for name, lesion in self.lesions.items():
            note = style.SYNTHETIC_MARK if name in self._made_up else ""
            inside = self.covered(plane, lesion)
            if inside.max() >= 0.5:
                self.outline(ax, plane, inside, 0.5, style.LESION_COLOUR, 2.0)
                self._drawn.setdefault(f"lesion {name}", LegendRow(f"lesion: {name}", style.LESION_COLOUR, False, note))

    def outline(
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
        """The line where ``values`` on a plane reach ``level``."""
        finite = values[np.isfinite(values)]
        if not finite.size or not finite.min() < level <= finite.max():
            return
        canvas.contour(ax, plane.axes(STEP_MM), values, level, colour, width, dash="dashed" if dashed else "solid")

    def finish(self, ax: Axes, plane: Plane, derived: bool, bar_mm: float = 20.0, *, bar_top: bool = False) -> None:
        """Limits, letters at the edges, scale bar and marks; then the names, where there is room."""
        ax.set(xlim=plane.u_mm, ylim=plane.v_mm)
        canvas.orientation_marks(ax, plane)
        canvas.scale_bar(ax, plane, bar_mm, top=bar_top)
        canvas.stamp(ax, synthetic=self.synthetic, derived=derived, level=self.level)
        if self._names:
            room = Room(ax)
            room.keep_off(self._off, 1.0)
            for name in self._names:
                name.write(room)
        self._names, self._off = [], ()

    def alt(self, title: str, plane: Plane, what: str) -> str:
        """The text alternative of a picture of a plane."""
        marks = plane.marks()
        lesions = ", ".join(self.lesions) or "none"
        return (
            f"{title}, {self.level}. Picture left is {side_words(marks['left'])}, picture right is "
            f"{side_words(marks['right'])}. Lesion: {lesions}; {what}. "
            f"{style.SYNTHETIC_MARK + '. ' if self.synthetic else ''}Research only."
        )

    def not_seen(self, planes: Iterable[Plane]) -> list[str]:
        """Names of outlined structures that cross none of the planes."""
        shown = list(planes)
        outlined = [item for item in self.structures if str(item.kind) not in NOT_OUTLINED]
        return [item.name for item in outlined if not any(self.covered(p, item.mask).max() >= 0.5 for p in shown)]


def side_words(mark: str) -> str:
    """The letters of an edge in words: "LA" is "patient left-anterior"."""
    names = {"R": "right", "L": "left", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior"}
    return "patient " + "-".join(names[letter] for letter in mark)


def _group(name: str, kind: str) -> str:
    """Legend name: roots, vessels and bowel share a line by kind, single structures keep their name."""
    return {"root": "nerve roots", "vessel": "vessels", "bowel": "bowel", "bone": "bone", "disc": "discs"}.get(
        kind, name
    )


@dataclass(frozen=True)
class Name:
    """What is to be written beside an outline: words, colour, right and left end of the outline, its middle height."""

    words: str
    colour: str
    right: float
    left: float
    height: float

    def write(self, room: Room) -> None:
        """Write it in the first free place: right of the outline, left of it, further down or up; else nowhere."""
        text = room.ax.text(
            0.0, 0.0, self.words, color=self.colour, fontsize=7, weight="bold", path_effects=halo(1.6), zorder=21,
            clip_on=True,
        )  # fmt: skip
        box = room.box(text)
        half = 0.5 * (box.right - box.left)
        steps = (0.0, -2.9, -5.8, 2.9, 5.8, -8.7, -11.6)
        room.settle(text, ((x, self.height + s) for s in steps for x in (self.right + half, self.left - half)))


def name_beside(plane: Plane, inside: NDArray[Any], words: str, colour: str) -> Name | None:
    """Where the name of a structure belongs, given how far it covers the plane (0 to 1); None for a speck."""
    u, v = plane.axes(STEP_MM)
    rows, columns = np.nonzero(inside >= 0.5)
    if len(rows) * STEP_MM**2 < 2.0:
        return None
    if len(rows) * STEP_MM**2 > 400 or np.ptp(u[columns]) > 30:
        nearest = int(np.argmin(np.hypot(u[columns], v[rows])))
        x, y = float(u[columns[nearest]]), float(v[rows[nearest]])
        return Name(words, colour, x, x, y)
    return Name(words, colour, float(u[columns].max() + 0.4), float(u[columns].min() - 0.4), float(v[rows].mean()))
