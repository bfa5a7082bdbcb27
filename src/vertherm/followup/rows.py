"""From a follow-up to its document: numbers, classes and the words for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertherm import RESEARCH_NOTICE
from vertherm.core.provenance import provenance
from vertherm.followup import document as d
from vertherm.followup.criteria import rules
from vertherm.followup.outputs import file_names
from vertherm.followup.verify import Followup, Visit
from vertherm.followup.zone import NotVisible
from vertherm.geometry.margin_map import MarginMap

LEAST_SHOWN = 0.99
"""Of the lesion with the margin aimed at, inside the image: else coverage is not judged."""
LOOKED_AT = "within the zone and {:.0f} mm around it; canal, disc, fat and what cement hides are not looked at"
PROGRESSION = ("enhancing nodule", "loss of bone")
"""Kinds of finding that speak for tumour."""


def verification(followup: Followup) -> d.Verification:
    """The document of a follow-up."""
    case, entry = followup.planned.case, followup.entry
    inputs = [*followup.planned.document, *((f"examination {e.name}", e.image) for e in entry.examinations)]
    inputs += [(f"native scan of {e.name}", e.native) for e in entry.examinations if e.native is not None]
    inputs += [drawn for item in entry.examinations for drawn in item.drawn()]
    dates = [item.date for item in entry.examinations if item.date is not None]
    first = min(dates, default=None)
    files = file_names(followup.visits, synthetic=_synthetic(followup))
    rows = [_row(visit, first, names) for visit, names in zip(followup.visits, files, strict=True)]
    return d.Verification(
        title=entry.title or case.title,
        synthetic=_synthetic(followup),
        notice=RESEARCH_NOTICE,
        rows=rows,
        calibration=[line for visit in followup.visits for line in _calibration(visit, followup)],
        notes=list(_notes(followup)),
        provenance=provenance(
            inputs,
            {
                **entry.model_dump(mode="json", include={"spacing_mm", "goal_mm", "cement_hu", "soft_tissue"}),
                "rules": {name: rules(name) for name in ("local", "recist_1_1", "mda")},
            },
            {},
        ),
        timings_s={name: round(value, 2) for name, value in followup.timings_s.items()},
    )


def _synthetic(followup: Followup) -> bool:
    images = [image for scan in followup.scans.values() for image in (scan.image, scan.native) if image is not None]
    sources = [image.source for image in images]
    sources += [str(path) for item in followup.entry.examinations for _, path in item.drawn()]
    return followup.planned.case.anatomy.synthetic or any("SYNTHETIC" in source.upper() for source in sources)


def _notes(followup: Followup) -> list[str]:
    notes = [
        "every result is a suggestion: a reader confirms it on the images before it becomes a record",
        "errors of registration and edges are in every margin's band; the error of the drawn lesion is not",
    ]
    if any(v.examined.seen_zone is not None and not v.examined.seen_zone.given for v in followup.visits):
        notes.append(
            "a segmented zone is what takes up no contrast medium: sclerosis or necrosis that was there before the "
            "treatment looks the same, so compare with enhanced images from before it"
        )
    if _synthetic(followup):
        notes.insert(0, "SYNTHETIC: a lesion, the patient or an examination was made by a program")
    return notes


def _row(visit: Visit, first: Any, files: dict[str, str]) -> d.TargetExamination:
    seen, item = visit.examined, visit.examined.scan.entry
    zone = seen.seen_zone
    coverage = _coverage(visit)
    progression, words = _progression(visit)
    return d.TargetExamination(
        target=visit.target.name,
        level=str(visit.target.level),
        examination=item.name,
        date="" if item.date is None else item.date.isoformat(),
        days=0 if item.date is None or first is None else (item.date - first).days,
        modality=item.modality,
        contrast=item.contrast,
        frame_uid=seen.scan.image.grid.frame,
        files=files,
        registration=_registration(visit),
        coverage=coverage,
        words=_coverage_words(visit, coverage),
        zone=None if zone is None else _zone(visit),
        no_zone=seen.zone.reason if isinstance(seen.zone, NotVisible) else "",
        margin=None if seen.margin is None else _margin(seen.margin),
        agreement=[d.AgreementRow(**_agreement(row)) for row in visit.agreement],
        cement=None
        if seen.cement is None
        else d.CementRow(
            given=seen.cement.given,
            volume_ml=round(seen.cement.volume_ml, 3),
            by_site_ml={name: round(value, 3) for name, value in seen.cement.by_site_ml.items()},
        ),
        tumour=None
        if seen.tumour is None
        else d.SizeRow(
            longest_mm=round(seen.tumour.longest_mm, 2),
            perpendicular_mm=round(seen.tumour.perpendicular_mm, 2),
            volume_ml=round(seen.tumour.volume_ml, 3),
        ),
        findings=[
            d.FindingRow(
                kind=found.kind,
                place=found.place,
                volume_ml=round(found.volume_ml, 3),
                longest_mm=round(found.longest_mm, 2),
                centre_ras_mm=found.centre_mm,
                change=round(found.change, 1),
                against=against,
            )
            for found, against in visit.findings
        ],
        suggestions=[d.SuggestionRow(**vars(item)) for item in visit.suggestions],
        progression=progression,
        progression_words=words,
        notes=list(seen.notes),
    )


def _registration(visit: Visit) -> d.RegistrationRow:
    found = visit.examined.registration
    row = d.RegistrationRow(
        status=found.status,
        reasons=list(found.reasons),
        error_mm=None,
        matrix=None,
        method=found.version,
        similarity=_finite(found.similarity),
        agreement=_finite(found.agreement),
        strain=_finite(found.strain),
        covered=_finite(found.covered),
    )
    if found.status == "failed":
        return row
    lesion = visit.target.mask
    error = float(np.max(found.error_mm(lesion.grid.world(np.argwhere(lesion.data)))))
    return row.model_copy(update={"error_mm": round(error, 3), "matrix": np.asarray(found.transform).tolist()})


def _zone(visit: Visit) -> d.ZoneRow:
    zone = visit.examined.seen_zone
    assert zone is not None
    size = visit.size
    assert size is not None
    return d.ZoneRow(
        given=zone.given,
        volume_ml=round(size.volume_ml, 3),
        long_mm=round(size.long_mm, 2),
        short_mm=round(size.short_mm, 2),
        cnr=None if zone.cnr is None else round(zone.cnr, 2),
        edge_sd_mm=round(zone.edge_sd_mm, 3),
        hidden=round(zone.hidden, 4),
        notes=list(zone.notes),
    )


def _agreement(row: Any) -> dict[str, Any]:
    kept = {name: value for name, value in vars(row).items() if name in d.AgreementRow.model_fields}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in kept.items()}


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 3)


def _margin(margin: MarginMap) -> d.MarginRow:
    below, between, above = margin.classes
    bone = margin.within_barriers
    return d.MarginRow(
        minimum_mm=_finite(margin.minimum_mm),
        low_mm=_finite(margin.low_mm),
        high_mm=_finite(margin.high_mm),
        worst_point_mm=margin.worst_point_mm,
        coverage=round(margin.coverage, 5),
        below_0=round(below, 5),
        from_0_to_goal=round(between, 5),
        goal_or_more=round(above, 5),
        goal_mm=margin.goal_mm,
        within_bone_mm=None if bone is None else _finite(bone.minimum_mm),
        within_bone_low_mm=None if bone is None else _finite(bone.low_mm),
        within_bone_high_mm=None if bone is None else _finite(bone.high_mm),
        decided_by_barrier=None if bone is None else round(bone.decided_share, 5),
        beyond_barrier=None if bone is None else round(bone.breached_share, 5),
    )


def _coverage(visit: Visit) -> d.Coverage:
    """The lower end of the band decides, never the middle; a doubtful registration decides nothing.

    Only the first examination that shows the zone: later it shrinks, as treated zones do.
    """
    margin = visit.examined.margin
    if margin is None or visit.compared_with or visit.examined.registration.status != "ok":
        return "not assessed"
    if visit.examined.shown < LEAST_SHOWN:
        return "not assessed"
    bone = margin.within_barriers
    # Cortex and canal end what must be treated; where they are unknown, the plain margin decides. Infinite: no bone of
    # the vertebra is left untreated.
    low = margin.low_mm if bone is None else max(margin.low_mm, bone.low_mm)
    if np.isnan(low) or low < 0.0:
        return "not covered"
    return "covered with margin" if low >= margin.goal_mm else "covered"


def _coverage_words(visit: Visit, coverage: d.Coverage) -> str:
    seen = visit.examined
    if seen.registration.status == "failed":
        return f"not registered: {'; '.join(seen.registration.reasons)}"
    if isinstance(seen.zone, NotVisible):
        return f"the treated zone cannot be told: {seen.zone.reason}"
    if seen.margin is None:
        return "no treated zone"
    m = seen.margin
    band = f"{m.minimum_mm:.1f} mm ({m.low_mm:.1f} to {m.high_mm:.1f})"
    words = f"smallest margin {band}, {100 * m.coverage:.0f} % of the lesion inside"
    if m.within_barriers is not None:
        b = m.within_barriers
        within = f"{b.minimum_mm:.1f} mm ({b.low_mm:.1f} to {b.high_mm:.1f})"
        words += (
            f"; within the bone {within}" if np.isfinite(b.low_mm) else "; no bone of the vertebra is left untreated"
        )
    if seen.shown < LEAST_SHOWN:
        words += f"; not judged: only {100 * seen.shown:.0f} % of the lesion and the margin lie inside the image"
    elif visit.compared_with:
        words += f"; coverage is judged on {visit.compared_with}, because treated zones shrink"
    elif coverage == "not covered" and m.minimum_mm >= 0.0:
        words += "; not shown to be covered, because the band reaches below 0 mm"
    elif coverage == "not assessed":
        words += f"; not called covered, because the registration is doubtful: {'; '.join(seen.registration.reasons)}"
    return words


def _progression(visit: Visit) -> tuple[d.Progression, str]:
    """Local progression as the findings and the sizes suggest it; never "not seen" where not all was compared."""
    sizes = [item for item in visit.suggestions if item.response == "pd"]
    tumour = [(found, against) for found, against in visit.findings if found.kind in PROGRESSION]
    gaps = _gaps(visit)
    if tumour or sizes:
        parts = [
            f"{found.kind} {found.place}, {found.volume_ml:.1f} ml, {found.longest_mm:.0f} mm, new since {against}"
            for found, against in tumour
        ]
        return "suggested", "; ".join([*parts, *(f"{item.criterion}: {item.words}" for item in sizes), *gaps])
    if visit.compared_with and not gaps:
        rim = any(found.kind == "enhancing rim" for found, _ in visit.findings)
        where = LOOKED_AT.format(rules("local")["margin_mm"])
        words = f"nothing new against {visit.compared_with} beyond the errors, {where}"
        hidden = f" ({100 * visit.hidden:.0f} % hidden)" if visit.hidden > 0.005 else ""
        return "not seen", words + hidden + (
            "; the zone has become smaller all around, as treated zones do" if rim else ""
        )
    if any(item.response != "ne" for item in visit.suggestions):
        measured = [f"{item.criterion}: {item.words}" for item in visit.suggestions if item.response != "ne"]
        return "not seen", "; ".join(["by the sizes that a reader drew", *measured, *gaps])
    return "not assessed", "; ".join(gaps) or "no earlier examination with a treated zone to compare with"


def _gaps(visit: Visit) -> list[str]:
    """Why nothing found does not mean that nothing is new."""
    seen = visit.examined
    if seen.registration.status != "ok":
        return [f"the registration is {seen.registration.status}: {'; '.join(seen.registration.reasons)}"]
    if isinstance(seen.zone, NotVisible):
        return [f"the treated zone cannot be told: {seen.zone.reason}"]
    return list(visit.gaps)


def _calibration(visit: Visit, followup: Followup) -> list[dict[str, Any]]:
    """One line a metric: what a device's record over a series is made of."""
    seen = visit.examined
    # Only what coverage is judged on: later zones have shrunk, and cut ones are none.
    if _coverage(visit) == "not assessed" or seen.seen_zone is None:
        return []
    return [
        {
            "target": visit.target.name,
            "examination": seen.scan.entry.name,
            "device": ", ".join(followup.planned.devices) or "unknown",
            "net_kj": followup.planned.energy_kj,
            **_agreement(row),
            "volume_ratio": round(row.observed_ml / row.predicted_ml, 4),
            "observed_long_mm": round(row.observed_long_mm, 3),
            "observed_short_mm": round(row.observed_short_mm, 3),
        }
        for row in visit.agreement
        if row.predicted_ml > 0.0
    ]
