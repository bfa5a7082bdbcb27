"""From a case file to Case, Treatment and Protocol: reads the images, builds anatomy and needle."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vertherm.applicator.antenna import Antenna, load_antenna
from vertherm.clinical.levels import CountingRule, LevelStatement, Transition, parse_level
from vertherm.clinical.pathology import LesionKind
from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import LPS_RAS, FloatArray
from vertherm.heat.schedule import Activation, Schedule
from vertherm.heat.setup import check_firing
from vertherm.imaging.anatomy import Anatomy, StructureKind
from vertherm.imaging.build import add_lesion, build_anatomy
from vertherm.imaging.lesion import synthetic_lesion
from vertherm.imaging.read import read_ct, read_labels, read_mask, read_mr
from vertherm.planning.case import ActivationEntry, Applicator, CaseFile, Point, SyntheticLesion
from vertherm.planning.case import Target as TargetEntry
from vertherm.planning.objects import Case, PlacedAntenna, Target, Treatment
from vertherm.planning.protection.protection import with_protection
from vertherm.planning.protocol import Protocol, default_protocol, load_protocol


def in_ras(point: Point, frame: str) -> FloatArray:
    """A point of the case file in RAS mm."""
    array = np.array(point, dtype=np.float64)
    return LPS_RAS @ array if frame == "LPS" else array


def prepare(
    entry: CaseFile, case_path: Path | None = None, progress: Progress = silent
) -> tuple[Case, Treatment, Protocol]:
    """Read everything a case file names, its treatment included.

    Raises:
        InputError: an image, label map, mask, antenna or protocol cannot be used, or the case names no treatment.
    """
    check_treated(entry)
    treatment = treatment_of(entry)
    case, protocol = prepare_case(entry, case_path, progress)
    return case, with_protection(treatment, entry.protection, case), protocol


def check_treated(entry: CaseFile) -> None:
    """Raises InputError where a case names no treatment to predict."""
    if not entry.applicators or entry.schedule is None:
        missing = [
            name for name, there in (("applicators", entry.applicators), ("schedule", entry.schedule)) if not there
        ]
        raise InputError(
            "The case describes no treatment.",
            where=entry.case,
            got=f"no {' and no '.join(missing)}",
            expected="[[applicators]] and [schedule]",
            advice="add them, or let `vertherm plan` find a treatment",
        )


def prepare_case(entry: CaseFile, case_path: Path | None = None, progress: Progress = silent) -> tuple[Case, Protocol]:
    """Read the images, labels, lesions and protocol a case file names; no treatment is needed.

    Raises:
        InputError: an image, label map, mask or protocol cannot be used.
    """
    protocol = load_protocol(entry.protocol.path) if entry.protocol.path else default_protocol()
    progress("images", 0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImagingWarning)
        ct = read_ct(entry.images.ct, series_uid=entry.images.series_uid)
    said = tuple(str(item.message) for item in caught if issubclass(item.category, ImagingWarning))
    labels = [(read_labels(item.path, ct), item.vocabulary) for item in entry.images.labels]
    progress("images", 1.0)
    progress("structures", 0.0)
    mr = read_mr(entry.images.mr) if entry.images.mr else None
    anatomy = build_anatomy(ct, labels, mr=mr)
    anatomy = replace(anatomy, notes=(*said, *anatomy.notes))
    targets = []
    for target in entry.targets:
        anatomy, built = _target(target, anatomy)
        targets.append(built)
    progress("structures", 1.0)
    inputs = [("ct", entry.images.ct), *((f"labels ({label.vocabulary})", label.path) for label in entry.images.labels)]
    inputs += [("mr", entry.images.mr)] if entry.images.mr else []
    inputs += [(f"lesion {t.name}", t.mask) for t in entry.targets if t.mask]
    inputs += [(f"calibration {a.name}", a.calibration) for a in entry.applicators if a.calibration]
    inputs += [("case", case_path)] if case_path else []
    inputs += [("protocol", entry.protocol.path)] if entry.protocol.path else []
    seeds = {f"lesion {t.name}": t.synthetic.seed for t in entry.targets if t.synthetic}
    return Case(entry.case, entry.title, anatomy, tuple(targets), tuple(inputs), seeds), protocol


def _target(entry: TargetEntry, anatomy: Anatomy) -> tuple[Anatomy, Target]:
    level = parse_level(entry.level)
    statement = LevelStatement(
        level, entry.level_confirmed, CountingRule(entry.counting_rule), Transition(entry.transition)
    )
    kind = LesionKind(entry.kind)
    if entry.synthetic is not None:
        body = (anatomy.bodies or {}).get(level)
        if body is None:
            raise InputError(
                "A synthetic lesion needs the body of its vertebra.",
                where=f"target {entry.name}",
                got=f"bodies of {', '.join(str(known) for known in anatomy.bodies or {}) or 'no vertebra'}",
                expected=str(level),
                advice="give labels that hold the vertebral body, or a lesion mask",
            )
        image, mask = synthetic_lesion(
            anatomy.ct,
            body,
            kind,
            centre_mm=_centre(entry.synthetic),
            offset_mm=in_ras(entry.synthetic.offset_mm, entry.synthetic.frame),
            canal=next((s.mask for s in anatomy.of_kind(StructureKind.canal)), None),
            radius_mm=entry.synthetic.radius_mm,
            seed=entry.synthetic.seed,
            posterior_wall_breach=entry.synthetic.posterior_wall_breach,
        )
        anatomy = add_lesion(anatomy, entry.name, mask, kind, ct=image, synthetic=True)
    else:
        if entry.mask is None:  # the case file's own check refuses this; kept for callers that build entries by hand
            raise InputError("A target has neither a mask nor a synthetic lesion.", where=f"target {entry.name}")
        mask = read_mask(entry.mask, anatomy.ct, entry.label)
        anatomy = add_lesion(anatomy, entry.name, mask, kind, synthetic=False)
    return anatomy, Target(entry.name, statement, entry.pathology, entry.kind, mask, entry.synthetic is not None)


def _centre(lesion: SyntheticLesion) -> FloatArray | None:
    return None if lesion.centre_mm is None else in_ras(lesion.centre_mm, lesion.frame)


def treatment_of(entry: CaseFile) -> Treatment:
    """The treatment a case file describes, without its protection; reads no images.

    Raises:
        InputError: antenna, frequency, calibration or the names in the schedule cannot be used, or there is none.
    """
    check_treated(entry)
    assert entry.schedule is not None
    placed = tuple(_placed(applicator, number) for number, applicator in enumerate(entry.applicators, 1))
    frames = {applicator.name: applicator.frame for applicator in entry.applicators}
    schedule = Schedule(tuple(_activation(a, frames) for a in entry.schedule.activations))
    check_firing(schedule, {p.name: p.frequency_hz for p in placed}, len(placed), entry.schedule.coherent)
    return Treatment(
        applicators=placed,
        schedule=schedule,
        power_kind=entry.schedule.power_kind,
        power_note=entry.schedule.power_kind_note,
        thermocouples={t.name: in_ras(t.position, t.frame) for t in entry.protection.thermocouples},
        reconstruction=entry.protocol.reconstruction,
        coherent=entry.schedule.coherent,
    )


def _placed(applicator: Applicator, number: int) -> PlacedAntenna:
    antenna = _antenna(applicator, number)
    frequency_hz = applicator.frequency_mhz * 1e6
    antenna.check_frequency(frequency_hz)
    needle = Trajectory(in_ras(applicator.entry, applicator.frame), in_ras(applicator.tip, applicator.frame))
    calibration = None
    if applicator.calibration is not None:
        from vertherm.calibration.device import load_calibration

        calibration = load_calibration(applicator.calibration)
        calibration.check_antenna(antenna, frequency_hz)
    return PlacedAntenna(applicator.name, antenna, frequency_hz, needle, applicator.phase_deg, calibration)


def _antenna(applicator: Applicator, number: int) -> Antenna:
    antenna = load_antenna(applicator.model)
    if applicator.cooled is None or applicator.cooled == antenna.cooled:
        return antenna
    for name, cooling in antenna.coolings.items():
        if cooling.cooled == applicator.cooled:
            return antenna.with_cooling(name)
    raise InputError(
        "The antenna has no such cooling variant.",
        where=f"applicators[{number}].cooled",
        got=applicator.cooled,
        expected=", ".join(f"{name}: cooled = {str(c.cooled).lower()}" for name, c in antenna.coolings.items()),
    )


def _activation(entry: ActivationEntry, frames: Mapping[str, str]) -> Activation:
    """The activation; its sensor is in the frame of the first applicator it names (all: the first of the case)."""
    # A name that does not exist is refused with a better message once the schedule is whole.
    frame = frames.get(entry.applicators[0], "RAS") if entry.applicators else next(iter(frames.values()))
    return Activation(
        power_w=entry.power_w,
        duration_s=entry.time_s,
        pause_s=entry.pause_s,
        set_temperature_c=entry.set_temperature_c,
        max_power_w=entry.max_power_w,
        sensor_mm=None if entry.sensor is None else tuple(in_ras(entry.sensor, frame)),
        emitters=entry.applicators,
    )
