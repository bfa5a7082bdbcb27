"""What a follow-up leaves behind besides its page: the document, and masks to look at, edit and give back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vertherm.core.errors import InputError
from vertherm.core.files import write_json
from vertherm.core.provenance import file_hash
from vertherm.followup.document import Verification
from vertherm.followup.images import carried
from vertherm.followup.margin_shell import margin_shell
from vertherm.followup.verify import Followup, Visit
from vertherm.geometry.volume import Volume
from vertherm.imaging.nifti import write_nifti

FOLDERS = ("masks", "registered")
WRITTEN = "written.json"
EDITED = ("zone", "cement")
"""Masks that a person may edit on either scan; the others are results."""


def file_names(visits: tuple[Visit, ...], *, synthetic: bool) -> list[dict[str, str]]:
    """What is written for each visit: path relative to the follow-up's folder, by kind and frame.

    Kinds: ``registered``; ``zone`` and ``cement`` with ``_planning`` and ``_followup``; ``lesion``, ``margin`` and
    ``findings`` with ``_followup``. What a program made is named so, because the files may travel alone.
    """
    found: list[dict[str, str]] = []
    taken: set[str] = set()
    mark = "SYNTHETIC_" if synthetic else ""
    for visit in visits:
        stem = _free(f"{mark}{_safe(visit.target.name)}_{_safe(visit.examined.scan.entry.name)}", taken)
        files = {} if visit.examined.image is None else {"registered": f"registered/{stem}.nii.gz"}
        for kind in _masks(visit):
            frames = ("planning", "followup") if kind in EDITED else ("followup",)
            files |= {f"{kind}_{frame}": f"masks/{stem}_{kind}_{frame}.nii.gz" for frame in frames}
        found.append(files)
    return found


def replaceable(folder: Path) -> tuple[str, ...]:
    """Files of an earlier run that a new one may replace: those that nobody has touched since.

    Args:
        folder: of the output; need not exist.

    Returns:
        Paths relative to it.

    Raises:
        InputError: a mask was edited under the name that the program gave it: the next run would overwrite it.
    """
    index = folder / WRITTEN
    known: dict[str, str] = json.loads(index.read_text("utf-8")) if index.is_file() else {}
    found = [path for path in (folder / name for name in FOLDERS) if path.is_dir()]
    present = {
        path.relative_to(folder).as_posix(): path for place in found for path in place.rglob("*") if path.is_file()
    }
    edited = [name for name, path in present.items() if name in known and file_hash(path) != known[name]]
    if edited:
        raise InputError(
            "A mask that an earlier run wrote has been changed since; this run would replace it.",
            where=str(folder / edited[0]),
            got=f"{len(edited)} changed: {', '.join(edited)}",
            expected="edited masks under names of their own",
            advice="rename it, name the new file in the follow-up file, and run again; or choose another -o",
        )
    return tuple(name for name in known if name in present)


def write_followup(followup: Followup, document: Verification, folder: Path) -> None:
    """Write ``verify.json``, ``calibration.json``, ``written.json``, ``masks/`` and ``registered/`` into a folder.

    masks: zone and cement of every examination twice: ``..._planning`` in the planning frame on the comparison's grid,
    ``..._followup`` on the examination's own grid, where it can be edited and named in the follow-up file. On the
    examination's grid also the lesion, what is new (numbered as in ``verify.json``) and the classes of the margin
    (see :mod:`vertherm.followup.margin_shell`).
    registered: every examination on the comparison's grid of each lesion.
    written.json: SHA-256 of these files, by which the next run tells what somebody has edited.
    """
    (folder / "verify.json").write_text(document.model_dump_json(indent=2) + "\n", "utf-8")
    (folder / "calibration.json").write_text(json.dumps(document.calibration, indent=2) + "\n", "utf-8")
    for name in FOLDERS:
        (folder / name).mkdir()
    for visit, row in zip(followup.visits, document.rows, strict=True):
        _write(visit, row.files, folder)
    written = {name: file_hash(folder / name) for row in document.rows for name in row.files.values()}
    write_json(folder / WRITTEN, written)


def _masks(visit: Visit) -> dict[str, Volume]:
    """In the planning frame; findings apart, because they may overlap."""
    seen = visit.examined
    if seen.image is None:
        return {}
    found = {"lesion": visit.target.mask}
    if seen.seen_zone is not None:
        found["zone"] = seen.seen_zone.mask
    if seen.cement is not None:
        found["cement"] = seen.cement.mask
    if seen.margin is not None and not seen.margin.zone_empty:
        found["margin"] = visit.target.mask
    if visit.findings:
        found["findings"] = visit.findings[0][0].mask
    return found


def _write(visit: Visit, files: Mapping[str, str], folder: Path) -> None:
    seen = visit.examined
    if seen.image is None:
        return
    matrix = np.asarray(seen.registration.transform)
    scan = seen.scan.image
    write_nifti(seen.image, folder / files["registered"])
    for kind, mask in _masks(visit).items():
        own = carried(mask, matrix, scan)
        if kind == "margin":
            assert seen.margin is not None
            own = margin_shell(own, seen.margin, matrix)
        elif kind == "findings":
            own = _numbered([found.mask for found, _ in visit.findings], matrix, scan)
        write_nifti(own, folder / files[f"{kind}_followup"])
        if kind in EDITED:
            whole = Volume(mask.data.astype(np.uint8), mask.grid, mask.source)
            write_nifti(whole, folder / files[f"{kind}_planning"])


def _numbered(masks: list[Volume], matrix: np.ndarray, scan: Volume) -> Volume:
    """One number a finding; where two overlap, the larger one, which comes first, keeps the voxel."""
    data = np.zeros(scan.grid.shape, np.uint8)
    for number, mask in enumerate(masks, start=1):
        data[(carried(mask, matrix, scan).data > 0) & (data == 0)] = number
    return Volume(data, scan.grid, "findings")


def _free(stem: str, taken: set[str]) -> str:
    """Names that differ only by signs must not share files."""
    name, count = stem, 1
    while name.lower() in taken:
        count += 1
        name = f"{stem}_{count}"
    taken.add(name.lower())
    return name


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
