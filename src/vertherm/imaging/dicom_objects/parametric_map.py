"""Fields (temperature, thermal dose, probability) as a DICOM Parametric Map in the CT's frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.volume import LPS_RAS, Volume
from vertherm.imaging.dicom_objects import codes
from vertherm.imaging.dicom_objects.marks import Marks, content_seed, equipment, finished, quietly
from vertherm.imaging.dicom_objects.source import SourceSeries


@dataclass(frozen=True)
class Quantity:
    """What a field holds.

    Args:
        name: short, for labels.
        words: for a reader.
        unit: UCUM code ("Cel", "min", "1").
        unit_words: its meaning.
        window: centre and width for display, in the unit.
    """

    name: str
    words: str
    unit: str
    unit_words: str
    window: tuple[float, float]


TEMPERATURE = Quantity("peak temperature", "Highest temperature reached", "Cel", "degree Celsius", (60.0, 60.0))
DOSE = Quantity("CEM43", "Cumulative equivalent minutes at 43 degrees Celsius", "min", "minute", (120.0, 240.0))
PROBABILITY = Quantity("probability", "Share of the samples whose zone holds the place", "1", "no units", (0.5, 1.0))

CEMENT = Quantity(
    "cement probability", "Share of the samples whose cement holds the place", "1", "no units", (0.5, 1.0)
)


@quietly
def write_parametric_map(
    source: SourceSeries, field: Volume, quantity: Quantity, marks: Marks, *, what: str, series_number: int = 601
) -> Any:
    """A field on its own grid, float32, exact.

    Args:
        source: series whose patient, study and frame it belongs to.
        field: finite values; a grid of the CT's frame with axes at right angles.
        quantity: what it holds.
        marks: of the results.
        what: name of the object within the set.
        series_number: of the new series.

    Raises:
        InputError: values that are not finite, or a sheared grid.
    """
    import highdicom as hd
    from pydicom.sr.coding import Code

    if not np.isfinite(field.data).all():
        raise InputError("A field holds values that are not finite.", where=what)
    pixels = np.ascontiguousarray(field.data.transpose(2, 1, 0)).astype(np.float32)
    orientation, positions, measures = _placed(field)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label=quantity.name[:16],
        lut_explanation=quantity.words[:64],
        unit=Code(quantity.unit, "UCUM", quantity.unit_words),
        value_range=(float(pixels.min()), float(pixels.max())),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.own(quantity.name, quantity.words),
    )
    dataset = hd.pm.ParametricMap(
        source_images=list(source.files),
        pixel_array=pixels,
        series_instance_uid=marks.uid(what, "series"),
        series_number=series_number,
        sop_instance_uid=marks.uid(what, content_seed(pixels.tobytes(), field.grid.affine.tobytes())),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(*quantity.window)],
        pixel_measures=measures,
        plane_orientation=orientation,
        plane_positions=positions,
        content_label="RESEARCH",
        content_description=marks.description(what),
        **equipment(),
    )
    return finished(dataset, marks, what, source.uids)


def _placed(field: Volume) -> tuple[Any, Any, Any]:
    """Orientation, positions and spacing of frames (k, j, i) in LPS."""
    import highdicom as hd

    axes = field.grid.affine[:3, :3] / field.grid.spacing_mm
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        raise InputError("A field's grid is sheared.", where=field.source, expected="axes at right angles")
    row, column = LPS_RAS @ axes[:, 0], LPS_RAS @ axes[:, 1]
    spacing = field.grid.spacing_mm
    corners = field.grid.world(np.stack([np.zeros(field.grid.shape[2])] * 2 + [np.arange(field.grid.shape[2])], -1))
    positions = [
        hd.PlanePositionSequence("PATIENT", tuple(float(round(x, 6)) for x in LPS_RAS @ corner)) for corner in corners
    ]
    cosines = tuple(float(round(x, 8)) for x in (*row, *column))
    orientation = hd.PlaneOrientationSequence("PATIENT", cosines)
    pitch = (float(round(spacing[1], 6)), float(round(spacing[0], 6)))
    measures = hd.PixelMeasuresSequence(
        pixel_spacing=pitch,
        slice_thickness=float(round(spacing[2], 6)),
        spacing_between_slices=float(round(spacing[2], 6)),
    )
    return orientation, positions, measures
