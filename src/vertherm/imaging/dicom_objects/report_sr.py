"""Numbers as a structured report (TID 1500): what a worklist can ask for and a registry can read."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vertherm.imaging.anatomy import Side
from vertherm.imaging.dicom_objects import codes
from vertherm.imaging.dicom_objects.marks import MANUFACTURER, Marks, content_seed, equipment, finished, quietly
from vertherm.imaging.dicom_objects.source import SourceSeries

UNITS = {
    "mm": ("mm", "millimeter"),
    "ml": ("ml", "milliliter"),
    "°C": ("Cel", "degree Celsius"),
    "min": ("min", "minute"),
    "s": ("s", "second"),
    "W": ("W", "watt"),
    "kJ": ("kJ", "kilojoule"),
    "%": ("%", "percent"),
    "1": ("1", "no units"),
    "MHz": ("MHz", "megahertz"),
}
"""UCUM code and meaning by our own sign."""
MEANING = 64
PLANNED = ("ablation plan", "Prediction of a microwave ablation")
FOLLOWED = ("ablation follow-up", "Follow-up imaging of a microwave ablation")


@dataclass(frozen=True)
class Number:
    """One measurement: name, finite value, one of :data:`UNITS`."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Group:
    """Measurements of one thing.

    Args:
        name: target, structure or treatment, as a person reads it; at most 64 characters are kept.
        numbers: measurements.
        words: (name, value) of what is no number: status, verdict, antenna.
        segment: number of its segment in the segmentation; None where it has none.
        side: patient's side.
    """

    name: str
    numbers: tuple[Number, ...]
    words: tuple[tuple[str, str], ...] = ()
    segment: int | None = None
    side: Side = ""


@quietly
def write_report(
    source: SourceSeries,
    groups: Sequence[Group],
    marks: Marks,
    *,
    segmentation: Any | None = None,
    what: str = "measurements",
    series_number: int = 551,
    procedure: tuple[str, str] = PLANNED,
) -> Any:
    """Groups of measurements as a Comprehensive 3D SR.

    Args:
        source: series that was measured on.
        groups: what was measured; values that are not finite are left out.
        marks: of the results.
        segmentation: data set whose segments the groups name.
        what: name of the object within the set.
        series_number: of the new series.
        procedure: what is reported, (code, meaning) of our own scheme.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes as known

    observer = hd.sr.ObserverContext(
        observer_type=known.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=marks.uid("device"), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name="Vertherm"
        ),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.own(*procedure),
        imaging_measurements=[
            _group(number, group, marks, segmentation, source) for number, group in enumerate([_marked(marks), *groups])
        ],
        title=known.DCM.ImagingMeasurementReport,
    )
    evidence = [*source.files, *([] if segmentation is None else [segmentation])]
    dataset = hd.sr.Comprehensive3DSR(
        evidence=evidence,
        content=report[0],
        series_instance_uid=marks.uid(what, "series"),
        series_number=series_number,
        sop_instance_uid=marks.uid(what, content_seed(marks.seed, repr(groups))),
        instance_number=1,
        is_complete=True,
        is_verified=False,
        **_maker(),
    )
    referred = [] if segmentation is None else [segmentation.SOPInstanceUID, segmentation.SeriesInstanceUID]
    kept = source.uids | {str(uid) for uid in referred}
    return finished(dataset, marks, what, kept)


def _maker() -> dict[str, Any]:
    known = equipment()
    return {"manufacturer": known["manufacturer"]}


def _marked(marks: Marks) -> Group:
    """The marks come first: nobody reads the numbers without them."""
    words = [("intended use", "research only, not for treatment")]
    if marks.synthetic:
        words.append(("origin", "SYNTHETIC: lesion or patient made by a program"))
    words += [("unverified value", name) for name in marks.unverified]
    return Group("read this first", (), tuple(words))


def _group(number: int, group: Group, marks: Marks, segmentation: Any | None, source: SourceSeries) -> Any:
    import highdicom as hd

    parts: dict[str, Any] = {
        "tracking_identifier": hd.sr.TrackingIdentifier(
            uid=marks.uid("group", str(number), group.name), identifier=group.name[:64]
        ),
        "measurements": [_measurement(item) for item in group.numbers if math.isfinite(item.value)] or None,
        "qualitative_evaluations": [
            _evaluation(name, part) for name, value in group.words for name, part in _lines(name, value)
        ]
        or None,
    }
    side = codes.laterality(group.side)
    if side is not None:
        site = codes.property_type(codes.STRUCTURE, group.name)
        parts["finding_sites"] = [hd.sr.FindingSite(anatomic_location=site, laterality=side)]
    if segmentation is None or group.segment is None:
        return hd.sr.MeasurementsAndQualitativeEvaluations(**parts)
    described = segmentation.SegmentSequence[group.segment - 1]
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=group.segment,
            source_series=hd.sr.SourceSeriesForSegmentation(source.first.SeriesInstanceUID),
        ),
        finding_type=hd.sr.CodedConcept.from_dataset(described.SegmentedPropertyTypeCodeSequence[0]),
        **parts,
    )


def _measurement(item: Number) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    code, meaning = UNITS[item.unit]
    value = float(f"{item.value:.6g}")
    return hd.sr.Measurement(name=codes.own(item.name, item.name), value=value, unit=Code(code, "UCUM", meaning))


def _lines(name: str, value: str) -> list[tuple[str, str]]:
    """A coded meaning holds 64 characters: longer texts go on in further items."""
    parts = textwrap.wrap(value, MEANING)
    return [(name if number == 0 else f"{name} ({number + 1})", part) for number, part in enumerate(parts)]


def _evaluation(name: str, value: str) -> Any:
    import highdicom as hd

    return hd.sr.QualitativeEvaluation(name=codes.own(name, name), value=codes.own(value, value))
