"""The document of a cement prediction, from what its steps found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vertherm.cement.rules import CementRules
from vertherm.core.progress import Progress
from vertherm.core.provenance import provenance
from vertherm.materials.bone_cement import BoneCement
from vertherm.materials.bone_density import DensityCalibration
from vertherm.planning.assessment import Banded, Status
from vertherm.planning.case import CaseFile, CementEntry
from vertherm.planning.cement.ablation import Ablation
from vertherm.planning.cement.assumptions import assumption_rows, models_used
from vertherm.planning.cement.document import (
    SITES,
    CalibrationRow,
    CementDocument,
    CementRow,
    MaterialRow,
    SessionRow,
    TargetCement,
)
from vertherm.planning.cement.status import status_words
from vertherm.planning.limits import worst
from vertherm.planning.objects import Case
from vertherm.planning.protocol import Protocol

NOTICE = (
    "Research software, not a medical device. The spread of cement is a model on labels and CT numbers; shell defects "
    "and veins below the scan's resolution are guessed, and a physician watches every millilitre under imaging."
)


@dataclass(eq=False)
class Work:
    """What all targets share."""

    case: Case
    protocol: Protocol
    entry: CaseFile
    cement: BoneCement
    rules: CementRules
    calibration: DensityCalibration
    ablation: Ablation | None
    workers: int
    address: str | None
    progress: Progress
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def own(self) -> CementEntry:
        """The case's [cement]."""
        return self.entry.cement or CementEntry()

    @property
    def start_s(self) -> float:
        """Start of the injection since mixing."""
        start = self.rules.start_after_mixing_s
        return self.working_s[0] if start is None else start

    @property
    def working_s(self) -> tuple[float, float]:
        """The working window since mixing, in the room of the rules."""
        return self.cement.working_at_s(self.rules.room_c)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start = time.perf_counter()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


def cement_document(work: Work, rows: list[TargetCement]) -> CementDocument:
    """Everything in one document."""
    session = _session(work, rows)
    status = worst([*(row.status for row in rows), session.status])
    cement, rules, own = work.cement, work.rules, work.own
    parameters = {"cement": own.model_dump(mode="json"), "rules": rules.model_dump(mode="json")}
    return CementDocument(
        case=work.case.name,
        title=work.case.title,
        notice=NOTICE,
        synthetic=work.case.anatomy.synthetic or any(t.synthetic for t in work.case.targets),
        status=status,
        status_words=status_words(status, rows),
        cement=_cement_row(work),
        calibration=_calibration_row(work.calibration),
        session=session,
        targets=rows,
        assumptions=assumption_rows(cement),
        models=models_used(work.ablation is not None),
        not_assessed=_not_assessed(rows),
        notes=_case_notes(work, rows),
        timings_s={name: round(value, 2) for name, value in work.timings.items()},
        provenance=provenance(work.case.inputs, parameters, {**work.case.seeds, "cement": own.seed}),
    )


def _not_assessed(rows: list[TargetCement]) -> list[str]:
    """Sites without a row, and parts that were not computed."""
    found = []
    for row in rows:
        sites = [site for site in SITES if site not in {item.site for item in row.sites}]
        found += [f"leakage to the {site} at {row.target}" for site in sites]
        found += [f"{part} at {row.target}" for part in ("curing", "strength") if getattr(row, part) is None]
    return found


def _case_notes(work: Work, rows: list[TargetCement]) -> list[str]:
    notes = list(work.case.anatomy.notes)
    if work.calibration.method != "internal":
        notes.append(work.calibration.words)
    if len(rows) > 1:
        notes.append("The heat of each target's cement is computed by itself: what two of them add up to is not.")
    if work.ablation is None:
        notes.append(
            "No ablation goes before the cement here: curing starts from body temperature, nothing is coagulated."
        )
    return notes


def _cement_row(work: Work) -> CementRow:
    cement, rules = work.cement, work.rules
    start, end = work.working_s
    opaque = cement.radiopacity
    return CementRow(
        name=cement.name,
        label=f"PMMA cement, {cement.name.replace('_', ' ')}",
        viscosity_class=cement.name.removesuffix("_viscosity"),
        start_after_mixing_s=work.start_s,
        working_from_s=start,
        working_to_s=end,
        room_c=rules.room_c,
        rate_ml_min=rules.rate_ml_min,
        radiopacity_hu=Banded(value=opaque.value, low=opaque.low or opaque.value, high=opaque.high or opaque.value),
        words=(
            f"{cement.kinetics.name} setting; set cement shows about {opaque.value:.0f} HU ({opaque.low:.0f} to "
            f"{opaque.high:.0f}); a class of cements, no product; hardly a number of it has a source"
        ),
    )


def _calibration_row(found: DensityCalibration) -> CalibrationRow:
    return CalibrationRow(
        method=found.method,
        slope_mg_cm3_hu=found.slope,
        intercept_mg_cm3=found.intercept,
        error_mg_cm3=found.error_mg_cm3,
        materials=[
            MaterialRow(name=m.name, hu=m.hu, sd_hu=m.sd_hu, voxels=m.voxels, equivalent_mg_cm3=m.equivalent_mg_cm3)
            for m in found.materials
        ],
        words=found.words,
    )


def _session(work: Work, rows: list[TargetCement]) -> SessionRow:
    """All cement of the procedure; cement that others of the case shall get counts too."""
    volume = sum(row.fill.injected_ml for row in rows)
    warn = work.rules.session_warn_ml
    status: Status = "warn" if volume > warn else "green"
    words = (
        f"{volume:.1f} ml in all. Beyond {warn:g} ml the risk of embolism (cement, fat, monomer) calls for a second "
        "session."
    )
    return SessionRow(volume_ml=volume, warn_ml=warn, status=status, words=words)
