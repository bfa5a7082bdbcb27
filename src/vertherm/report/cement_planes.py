"""Cement in the CT: nominal fill and how probable it is, in three planes through the lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vertherm.planning.cement.document import TargetCement
from vertherm.planning.cement.result import CementFields
from vertherm.planning.objects import Case
from vertherm.report import canvas, style
from vertherm.report.canvas import Picture, halo
from vertherm.report.patient import LegendRow, PatientPainter
from vertherm.report.planes import Plane, sampled, standard_plane
from vertherm.report.slices import STEP_MM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CEMENT_COLOUR = "#ffb000"
LEAK_COLOUR = "#e02a00"
BODY_COLOUR = "#d9c29c"
PROBABILITY_COLOUR = "#ffe9a8"
PROBABILITY_LINES = ((0.05, "dotted"), (0.5, "dashed"), (0.95, "solid"))
"""Shares of the samples whose outline is drawn."""
_PLANES = ("axial", "coronal", "sagittal")
_HALF_MM = 38.0
_NEAR_MM = 2.5
"""A needle is drawn solid where it lies this near to the plane."""


class CementPainter(PatientPainter):
    """Draws the cement of one target.

    Args:
        case: the patient.
        target: the numbers.
        fields: the volumes.
    """

    def __init__(self, case: Case, target: TargetCement, fields: CementFields) -> None:
        anatomy = case.anatomy
        super().__init__(
            anatomy.ct,
            anatomy.structures,
            {item.name: item.mask for item in case.targets},
            level=target.level,
            synthetic=anatomy.synthetic or any(item.synthetic for item in case.targets),
            made_up=[item.name for item in case.targets if item.synthetic],
        )
        self.target, self.fields = target, fields
        self._leak = fields.fill.with_data(np.where(fields.sites.data > 0, fields.fill.data, 0).astype(np.float32))

    def planes(self) -> list[Plane]:
        """Axial, coronal and sagittal through the lesion's centre."""
        lesion = self.fields.lesion
        where = np.argwhere(lesion.data)
        voxel = where.mean(axis=0) if len(where) else 0.5 * (np.array(lesion.grid.shape) - 1.0)
        return [standard_plane(name, lesion.grid.world(voxel), self.ct.grid, _HALF_MM) for name in _PLANES]

    def picture(self) -> Picture:
        """Encoded :meth:`draw`."""
        figure, title = self.draw()
        fill, share = self.target.fill, "measured cement"
        if self.fields.probability is not None:
            share = f"lines where cement lies in 5, 50 and 95 percent of {self.target.samples} samples"
        alt = (
            f"{title}, {self.level}, axial, coronal and sagittal plane, radiological convention (axial: patient left "
            f"on the right of the picture): {fill.injected_ml:.1f} ml injected, {fill.leaked_ml.value:.1f} ml outside "
            f"the bone; {share}. {style.SYNTHETIC_MARK + '. ' if self.synthetic else ''}Research only."
        )
        return canvas.encode(figure, title, alt)

    def draw(self) -> tuple[Figure, str]:
        """The three planes side by side."""
        planes = self.planes()
        figure, starts = canvas.plane_figure(planes)
        title = f"{'Measured cement' if self.target.source == 'measured' else 'Cement'} at {self.target.target}"
        for plane, start in zip(planes, starts, strict=True):
            ax = canvas.picture_axes(figure, plane, start, title=f"{title}, {plane.name}")
            self.background(ax, plane)
            self._tint(ax, plane)
            self._body(ax, plane)
            derived = self.outlines(ax, plane, names=True)
            self._probability(ax, plane)
            self.outline_lesions(ax, plane)
            self._needles(ax, plane)
            self.finish(ax, plane, derived, bar_mm=10.0)
        return figure, title

    def cement_legend(self) -> list[LegendRow]:
        """What the cement's own marks mean."""
        rows = [
            LegendRow("nominal cement (tint)", CEMENT_COLOUR, False, "in bone"),
            LegendRow("nominal cement (tint)", LEAK_COLOUR, False, "outside the bone"),
            LegendRow("vertebral body", BODY_COLOUR, False),
            LegendRow("needle", style.NEEDLE_COLOUR, True, f"solid within {_NEAR_MM:g} mm of the plane"),
        ]
        if self.fields.probability is not None:
            note = "dotted 5 %, dashed 50 %, solid 95 % of the samples"
            rows.append(LegendRow("probability of cement", PROBABILITY_COLOUR, True, note))
        return rows

    def _tint(self, ax: Axes, plane: Plane) -> None:
        from matplotlib.colors import to_rgb

        from vertherm.report.ground import Ground

        share = np.nan_to_num(sampled(self.fields.fill, plane, STEP_MM, outside=0.0))
        leaked = np.nan_to_num(sampled(self._leak, plane, STEP_MM, outside=0.0))
        out = np.clip(leaked / np.maximum(share, 1e-6), 0.0, 1.0)[..., None]
        colour = (1 - out) * np.array(to_rgb(CEMENT_COLOUR)) + out * np.array(to_rgb(LEAK_COLOUR))
        pixels = np.empty((*share.shape, 4), np.uint8)
        pixels[..., :3] = np.round(255 * colour)
        pixels[..., 3] = np.round(255 * 0.72 * np.clip(share / 0.6, 0.0, 1.0))
        ax.add_artist(Ground(pixels, zorder=1))

    def _body(self, ax: Axes, plane: Plane) -> None:
        inside = self.covered(plane, self.fields.body)
        if inside.max() >= 0.5:
            self.outline(ax, plane, inside, 0.5, BODY_COLOUR, 1.0)

    def _probability(self, ax: Axes, plane: Plane) -> None:
        if self.fields.probability is None:
            return
        share = np.nan_to_num(sampled(self.fields.probability, plane, STEP_MM, outside=0.0))
        for level, dash in PROBABILITY_LINES:
            if share.min() < level <= share.max():
                axes = plane.axes(STEP_MM)
                canvas.contour(ax, axes, share, level, PROBABILITY_COLOUR, 1.1, dash=dash, zorder=9)

    def _needles(self, ax: Axes, plane: Plane) -> None:
        for needle in self.fields.needles.values():
            u, v, away = plane.project(needle.point_mm(np.linspace(0.0, needle.length_mm, 400)))
            near = np.abs(away) <= _NEAR_MM
            ax.plot(u, v, color=style.NEEDLE_COLOUR, lw=1.0, ls=(0, (3, 3)), path_effects=halo(2.0), zorder=12)
            solid = np.where(near, u, np.nan), np.where(near, v, np.nan)
            ax.plot(*solid, color=style.NEEDLE_COLOUR, lw=2.2, path_effects=halo(3.4), zorder=13)
            tip_u, tip_v, _ = plane.project(needle.tip_mm)
            ax.plot(float(tip_u), float(tip_v), "o", ms=3.5, mfc="white", mec="black", mew=0.8, zorder=14)
