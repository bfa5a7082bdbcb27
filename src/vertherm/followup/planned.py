"""What was planned or simulated, read back from its folder: the planning scan, the lesions, the predicted zones."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vertherm.core.errors import InputError
from vertherm.core.progress import Progress, silent
from vertherm.core.provenance import file_hash
from vertherm.geometry.volume import FloatArray, Volume
from vertherm.imaging.nifti import read_nifti

if TYPE_CHECKING:
    from vertherm.planning.objects import Case, Target

NOMINAL = 2
"""Class of a zone file from which on a voxel lies in the nominal zone (see planning.outputs)."""
DOCUMENTS = ("assessment.json", "cement.json")
"""What says what was planned; the second where only cement was."""


@dataclass(frozen=True, eq=False)
class PredictedZone:
    """The nominal zone of one metric (id, name for a reader): bool mask in the planning frame."""

    metric: str
    label: str
    mask: Volume


@dataclass(frozen=True, eq=False)
class Planned:
    """A plan or a simulation as far as a follow-up needs it.

    Args:
        case: patient and lesions.
        zones: predicted; empty where nothing was predicted.
        needles: (entry, tip) in RAS mm.
        devices: antenna, frequency in MHz and calibration of each applicator.
        energy_kj: net energy of the nominal member; None where unknown.
        document: (role, path) of the assessment, for provenance.
    """

    case: Case
    zones: tuple[PredictedZone, ...]
    needles: tuple[tuple[FloatArray, FloatArray], ...]
    devices: tuple[str, ...]
    energy_kj: float | None
    document: tuple[tuple[str, Path], ...]

    def axis(self, target: Target) -> FloatArray | None:
        """Direction of the needle whose tip lies nearest to a lesion; None without needles."""
        if not self.needles:
            return None
        entry, tip = min(self.needles, key=lambda needle: float(np.linalg.norm(needle[1] - target.centre_mm)))
        return np.asarray((tip - entry) / np.linalg.norm(tip - entry))

    def zones_of(self, target: Target) -> tuple[PredictedZone, ...]:
        """Each metric's zone around one lesion: the connected part nearest to it, if it reaches lesion or vertebra."""
        vertebra = self.case.anatomy.vertebrae.get(target.level)
        near = tuple(mask for mask in (target.mask, vertebra) if mask is not None)
        parts = ((zone, _around(zone.mask, target.centre_mm)) for zone in self.zones)
        return tuple(PredictedZone(zone.metric, zone.label, part) for zone, part in parts if _reaches(part, near))


def load_planned(folder: Path, case_file: Path | None = None, progress: Progress = silent) -> Planned:
    """Read the folder of ``vertherm plan``, ``simulate``, ``demo`` or ``cement``.

    Args:
        folder: with assessment.json and fields/; with state/ where it is a plan.
        case_file: the case it was made from; needed for a simulation, whose folder does not hold the images.
        progress: receives progress.

    Raises:
        InputError: no such folder, no case, or a case whose CT is another one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("There is no such plan.", where=str(folder), expected="the output folder of `vertherm plan`")
    document = next((p for p in (folder / name for name in DOCUMENTS) if p.is_file()), None)
    assessment = {} if document is None else _read(document)
    case = _case(folder, case_file, assessment, progress)
    treatment = assessment.get("treatment") or {}
    rows = treatment.get("applicators") or []
    needles = tuple((np.array(row["entry_ras_mm"], float), np.array(row["tip_ras_mm"], float)) for row in rows)
    devices = tuple(f"{row['antenna']} at {row['frequency_mhz']:.0f} MHz" for row in rows)
    nominal = next((row for row in treatment.get("power") or [] if row["member"] == "nominal"), None)
    return Planned(
        case,
        _zones(folder, case.anatomy.ct.grid.frame, assessment),
        needles,
        devices,
        None if nominal is None else float(nominal["net_kj"]),
        () if document is None else ((document.stem, document),),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("The document of the plan cannot be read.", where=str(path), got=error) from error
    return found if isinstance(found, dict) else {}


def _case(folder: Path, case_file: Path | None, assessment: dict[str, Any], progress: Progress) -> Case:
    from vertherm.planning.case import load_case
    from vertherm.planning.prepare import prepare_case

    if case_file is None and (folder / "state").is_dir():
        from vertherm.planning.state.state import load_state

        return load_state(folder).case
    if case_file is None and (folder / "case.toml").is_file():
        case_file = folder / "case.toml"
    if case_file is None:
        raise InputError(
            "The folder does not hold the planning scan.",
            where=str(folder),
            got="no state/ and no case.toml",
            expected="the folder of `vertherm plan`, or a simulation with its case file",
            advice="name the case file with --case",
        )
    entry = load_case(case_file)
    case = prepare_case(entry, case_file, progress)[0]
    _same_ct(entry.images.ct, assessment, folder)
    return case


def _same_ct(ct: Path, assessment: dict[str, Any], folder: Path) -> None:
    """The CT of the case file must be the one that the assessment was made on."""
    inputs = assessment.get("provenance", {}).get("inputs", [])
    stated = next((row["sha256"] for row in inputs if row.get("role") == "ct"), None)
    if stated is not None and stated != file_hash(ct):
        raise InputError(
            "The case file names another CT than the plan was made on.",
            where=str(folder),
            got=f"{ct.name}, which has another SHA-256",
            expected="the CT that the document of the plan names",
            advice="give the case file that was simulated, with its CT unchanged",
        )


def _zones(folder: Path, frame: str, assessment: dict[str, Any]) -> tuple[PredictedZone, ...]:

    labels = {row["metric"]: row["label"] for row in assessment.get("zones", [])}
    found = []
    for path in sorted((folder / "fields").glob("zone_*.nii.gz")):
        volume = read_nifti(path)
        mask = Volume(volume.data >= NOMINAL, replace(volume.grid, frame=frame), path.name)
        if mask.data.any():
            metric = path.name[len("zone_") : -len(".nii.gz")]
            found.append(PredictedZone(metric, labels.get(metric, metric), mask))
    return tuple(found)


def _reaches(part: Volume, masks: tuple[Volume, ...]) -> bool:
    """Another lesion's zone says nothing about this one."""
    points = part.grid.world(np.argwhere(part.data))
    return any(bool((mask.sample(points, order=0, outside=0.0) > 0.5).any()) for mask in masks)


def _around(mask: Volume, centre_mm: FloatArray) -> Volume:
    from scipy import ndimage

    labels, count = ndimage.label(mask.data)
    if count <= 1:
        return mask
    points = mask.grid.world(np.argwhere(mask.data))
    nearest = points[int(np.argmin(np.linalg.norm(points - centre_mm, axis=1)))]
    index = tuple(np.rint(mask.grid.index(nearest)).astype(int))
    return mask.with_data(labels == labels[index])
