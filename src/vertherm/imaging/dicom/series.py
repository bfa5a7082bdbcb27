"""DICOM CT and MR series: find one, order it, check it, decode it, and give a :class:`Volume`."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import LPS_RAS, FloatArray, Grid, Volume
from vertherm.imaging.dicom.geometry import Slices, ordered, straightened
from vertherm.imaging.dicom.header import CT_IMAGE, ENHANCED, MR_IMAGE, Header
from vertherm.imaging.dicom.pixels import Decoder
from vertherm.imaging.dicom.planes import Pixels, Plane, consistent, geometry, is_localizer, planes_of
from vertherm.imaging.dicom.safe import LIMITS, Limits, too_large
from vertherm.imaging.dicom.source import Source, open_source
from vertherm.imaging.no_data import NO_DATA_HU, below_air, solid_at_border
from vertherm.imaging.tables import rule

AIR_HU = -1024.0
_Image = NDArray[np.float32]


def read_dicom_ct(path: Path, *, series_uid: str | None = None, limits: Limits = LIMITS) -> Volume:
    """Read one CT series as float32 HU.

    Slices may come unsorted, compressed and as frames of an enhanced multi-frame file. A duplicate slice is kept once
    with a warning if identical. Gantry tilt is resampled to an orthogonal grid with a warning. The frame of reference
    UID goes into ``grid.frame``.

    Args:
        path: folder (searched with its subfolders), ZIP archive, or one file of the series.
        series_uid: which series, needed where there are several.
        limits: what the source may cost.

    Raises:
        InputError: no DICOM, no CT, several series, missing slices, unreadable or conflicting slices.
    """
    with open_source(Path(path), limits=limits, siblings=True) as source:
        return read_series(source, "CT", series_uid, limits)


def read_dicom_mr(path: Path, *, series_uid: str | None = None, limits: Limits = LIMITS) -> Volume:
    """Read one MR series as float32, rescaled where the file says how; otherwise as :func:`read_dicom_ct`.

    Raises:
        InputError: no DICOM, no MR, several series, missing slices, unreadable or conflicting slices.
    """
    with open_source(Path(path), limits=limits, siblings=True) as source:
        return read_series(source, "MR", series_uid, limits)


def read_series(source: Source, modality: str, series_uid: str | None = None, limits: Limits = LIMITS) -> Volume:
    """One CT (HU) or MR series of an open source.

    Raises:
        InputError: as :func:`read_dicom_ct`.
    """
    where = str(source.path)
    chosen = _chosen(source.believed(), where, series_uid, modality)
    planes = planes_of(chosen, modality)
    if not planes:
        raise InputError(f"There is no {modality} image here.", where=where, got="localizers only")
    consistent(planes, where)
    rows, columns = (int(planes[0].header.number(name) or 0) for name in ("Rows", "Columns"))
    needed = 4 * len(planes) * rows * columns
    if needed > 2 * limits.pixel_bytes:
        raise too_large(where, "A series", f"{needed} bytes", f"{2 * limits.pixel_bytes} bytes")
    # A broken rescale may overflow; the checks on the volume say so.
    with Decoder(limits) as decoder, np.errstate(over="ignore", invalid="ignore"):
        pixels = Pixels(decoder)
        scale = _hu if modality == "CT" else _scaled

        def image(plane: Plane) -> _Image:
            return scale(plane, pixels)

        slices = ordered(geometry(planes), lambda i: image(planes[i]), where, modality)
        _same_names(planes, image, where)
        stack = np.empty((len(slices.order), rows, columns), np.float32)
        for k, i in enumerate(slices.order):
            stack[k] = image(planes[i])
    return _volume(stack, slices, planes[0].header, where, NO_DATA_HU if modality == "CT" else np.nan)


def _chosen(headers: Sequence[Header], where: str, series_uid: str | None, modality: str) -> list[Header]:
    groups: dict[str, list[Header]] = defaultdict(list)
    others: set[str] = set()
    single = CT_IMAGE if modality == "CT" else MR_IMAGE
    for header in headers:
        kind = header.text("Modality") or "unknown"
        if not ((header.sop_class == single and kind == modality) or ENHANCED.get(header.sop_class) == modality):
            others.add(f"{kind} ({header.class_name})")
        elif not is_localizer(header.text("ImageType")):
            groups[header.series_uid].append(header)
    if not groups:
        raise InputError(
            f"There is no {modality} image here.",
            where=where,
            got=", ".join(sorted(others)) or "localizers only",
            expected=f"a series of {modality} Image Storage",
        )
    if series_uid is None and len(groups) == 1:
        return _one_study(next(iter(groups.values())), where)
    if series_uid is not None and series_uid in groups:
        return _one_study(groups[series_uid], where)
    listed = "; ".join(f"{uid}: {_describe(group)}" for uid, group in sorted(groups.items()))
    raise InputError(
        f"There are several {modality} series here."
        if series_uid is None
        else f"There is no {modality} series of this UID here.",
        where=where,
        got=listed,
        expected="one series" if series_uid is None else series_uid,
        advice="name one with series_uid",
    )


def _one_study(group: list[Header], where: str) -> list[Header]:
    """Files without a series UID belong together only by chance: they must at least be of one study."""
    if not group[0].series_uid and len({h.uid("StudyInstanceUID") for h in group}) > 1:
        raise InputError(
            "Files without a series UID come from several studies.",
            where=where,
            got=f"{len(group)} files",
            advice="give the folder of one study, or export it again",
        )
    return group


def _describe(group: list[Header]) -> str:
    first = group[0]
    count = sum(int(h.number("NumberOfFrames") or 1) for h in group)
    return f"{count} slices, '{first.text('SeriesDescription')}', thickness {first.text('SliceThickness') or '?'} mm"


def _same_names(planes: Sequence[Plane], image: Callable[[Plane], _Image], where: str) -> None:
    """Warn where two different images carry one SOP Instance UID: an archive keeps only one of them."""
    files = {id(p.header): p for p in planes}.values()
    names = [p.header.uid("SOPInstanceUID") for p in files]
    if any(not name for name in names):
        warnings.warn(f"{names.count('')} file(s) without SOP Instance UID: {where}", ImagingWarning, stacklevel=4)
    odd = 0
    for name, count in Counter(names).items():
        if name and count > 1:
            first, *rest = [p for p in files if p.header.uid("SOPInstanceUID") == name]
            moved = [p for p in rest if np.abs(p.position - first.position).max() > 1e-3]
            odd += bool(moved or any(not np.array_equal(image(p), image(first)) for p in rest))
    if odd:
        warnings.warn(
            f"{odd} SOP Instance UID(s) are carried by different images: {where}", ImagingWarning, stacklevel=4
        )


def _scaled(plane: Plane, pixels: Pixels) -> _Image:
    return pixels.raw(plane).astype(np.float32) * plane.slope + plane.intercept


def _hu(plane: Plane, pixels: Pixels) -> _Image:
    """HU of one slice, shape (rows, columns)."""
    raw = pixels.raw(plane)
    hu = raw.astype(np.float32) * plane.slope + plane.intercept
    empty = _padding(plane.header, raw, hu)
    hu = np.maximum(hu, np.float32(AIR_HU))
    hu[empty] = NO_DATA_HU
    return hu


def _padding(header: Header, raw: NDArray[Any], hu: _Image) -> NDArray[np.bool_]:
    """Pixels without data; pixels that are padding by their number but may be noise of air become air in ``hu``."""
    first = header.number("PixelPaddingValue")
    stated = np.zeros(raw.shape, bool)
    if first is not None:
        last = header.number("PixelPaddingRangeLimit")
        ends = sorted((int(first), int(first if last is None else last)))
        stated = (raw >= ends[0]) & (raw <= ends[1])
    like_air = stated & (hu > rule("hu no data")) & (hu <= rule("hu air inside"))
    unlike = stated & ~like_air
    hu[stated] = AIR_HU
    return np.asarray(unlike | solid_at_border(stated) | below_air(np.where(stated, np.float32(NO_DATA_HU), hu)))


def _volume(stack: _Image, slices: Slices, first: Header, where: str, outside: float) -> Volume:
    """Stack (slice, row, column) in LPS to a RAS volume with axes (column index, row index, slice)."""
    step = slices.step
    if slices.tilt_deg > 0:
        stack, origin, filled = straightened(stack, slices, outside)
        step = slices.normal * float(step @ slices.normal)
        warnings.warn(
            f"gantry tilt of {slices.tilt_deg:.1f} degrees: slices were shifted (linear interpolation) to an "
            f"orthogonal grid; {100 * filled:.0f} % of it has no data",
            ImagingWarning,
            stacklevel=4,
        )
        stack = np.nan_to_num(stack, copy=False, nan=0.0)
    else:
        origin = slices.positions[slices.order[0]]
    lps: FloatArray = np.eye(4)
    lps[:3, 0] = slices.row * slices.spacing[0]
    lps[:3, 1] = slices.column * slices.spacing[1]
    lps[:3, 2] = step
    lps[:3, 3] = origin
    affine = np.eye(4)
    affine[:3] = LPS_RAS @ lps[:3]
    data = np.ascontiguousarray(stack.transpose(2, 1, 0))
    shape = (data.shape[0], data.shape[1], data.shape[2])
    said = " ".join(first.text(name) for name in ("SeriesDescription", "ImageComments"))
    # Whoever reads the volume sees by its source that a program made it; the file's name may not say so.
    source = f"{where} (SYNTHETIC)" if "SYNTHETIC" in said.upper() else where
    return Volume(data, Grid(shape, affine, first.uid("FrameOfReferenceUID")), source)
