"""DICOM CT series: find it, order it, check it, decode it, and give a :class:`Volume` in HU.

Codecs: pydicom's RLE, pyjpegls (JPEG-LS), python-gdcm (JPEG, JPEG 2000).
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.core.warnings import ImagingWarning
from vertherm.geometry.volume import LPS_RAS, FloatArray, Grid, Volume
from vertherm.imaging.dicom_geometry import Slices, ordered, straightened
from vertherm.imaging.no_data import NO_DATA_HU, below_air, solid_at_border
from vertherm.imaging.tables import rule

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
AIR_HU = -1024.0


@dataclass(frozen=True, eq=False)
class Header:
    """One file's header, without its pixels."""

    path: Path
    data: Any

    def get(self, keyword: str, default: Any = None) -> Any:
        """Value of an element, ``default`` where it is absent or empty."""
        value = self.data.get(keyword)
        return default if value is None or value == "" else value


def read_dicom_ct(path: Path, *, series_uid: str | None = None) -> Volume:
    """Read one CT series as float32 HU.

    Slices may come unsorted and compressed. A duplicate slice is kept once with a warning if identical. Gantry tilt is
    resampled to an orthogonal grid with a warning. The frame of reference UID goes into ``grid.frame``.

    Args:
        path: folder (searched with its subfolders) or one file of the series.
        series_uid: which series, needed where there are several.

    Raises:
        InputError: no DICOM, no CT, several series, missing slices, unreadable or conflicting slices.
    """
    path = Path(path)
    headers = _headers(path)
    chosen = _series(headers, path, series_uid)
    _consistent(chosen, path)
    slices = ordered(_geometry(chosen), lambda i: _pixels(chosen[i]), str(path))
    stack = np.stack([_pixels(chosen[i]) for i in slices.order])
    return _volume(stack, slices, chosen[0], path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without pydicom's remarks on elements that break the standard's formal rules: real scanners write many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _headers(path: Path) -> list[Header]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    if path.is_file():
        files = sorted(p for p in path.parent.iterdir() if p.is_file())
    else:
        files = sorted(p for p in path.rglob("*") if p.is_file())
    found: list[Header] = []
    with _quiet():
        for file in files:
            if file.name.startswith(".") or file.name.upper() == "DICOMDIR":
                continue
            try:
                header = Header(file, pydicom.dcmread(file, stop_before_pixels=True))
                if header.get("SOPClassUID") is None:
                    raise EOFError("the file ends within its header")
                found.append(header)
            except InvalidDicomError as error:
                # Other files may lie beside a series, but one named like a slice must be one: an end slice that is
                # cut to nothing would otherwise vanish without a trace.
                if file == path or file.suffix.lower() in (".dcm", ".ima"):
                    raise _unreadable(file, error) from error
            except Exception as error:  # a broken element inside a file that does begin as DICOM
                raise _unreadable(file, error) from error
    if not found:
        raise InputError(
            "There is no DICOM image here.",
            where=str(path),
            got=f"{len(files)} other file(s)" if files else "an empty folder",
            expected="a folder with the slices of a CT series",
            advice="check the folder, or give a NIfTI file",
        )
    if path.is_file():
        own = next((h for h in found if h.path == path), None)
        uid = own.get("SeriesInstanceUID") if own else None
        found = [h for h in found if h.get("SeriesInstanceUID") == uid]
    return found


def _series(headers: list[Header], path: Path, series_uid: str | None) -> list[Header]:
    groups: dict[str, list[Header]] = defaultdict(list)
    others: set[str] = set()
    for header in headers:
        sop, modality = str(header.get("SOPClassUID", "")), str(header.get("Modality", "unknown"))
        uid = str(header.get("SeriesInstanceUID", ""))
        if sop == ENHANCED_CT and series_uid in (None, uid):
            raise InputError(
                "Enhanced multi-frame CT is not read yet.",
                where=str(header.path),
                advice="convert it to single frames or NIfTI",
            )
        if sop != CT_IMAGE or modality != "CT":
            others.add(f"{modality} ({getattr(header.data.get('SOPClassUID'), 'name', sop) or 'no SOP class'})")
        elif "LOCALIZER" not in [str(v).upper() for v in np.atleast_1d(header.get("ImageType", []))]:
            groups[uid].append(header)
    if not groups:
        raise InputError(
            "There is no CT image here.",
            where=str(path),
            got=", ".join(sorted(others)) or "localizers only",
            expected="a series of CT Image Storage",
        )
    if series_uid is None and len(groups) == 1:
        return next(iter(groups.values()))
    if series_uid is not None and series_uid in groups:
        return groups[series_uid]
    listed = "; ".join(f"{uid}: {_describe(group)}" for uid, group in sorted(groups.items()))
    raise InputError(
        "There are several CT series here." if series_uid is None else "There is no CT series of this UID here.",
        where=str(path),
        got=listed,
        expected="one series" if series_uid is None else series_uid,
        advice="name one with series_uid",
    )


def _describe(group: list[Header]) -> str:
    first = group[0]
    return (
        f"{len(group)} slices, '{first.get('SeriesDescription', '')}', thickness {first.get('SliceThickness', '?')} mm"
    )


def _consistent(group: list[Header], path: Path) -> None:
    needed = ("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope")
    for header in group:
        absent = [name for name in (*needed, "RescaleIntercept") if header.get(name) is None]
        if absent:
            raise InputError(
                "A CT slice lacks what places or scales it.", where=str(header.path), got=f"no {', '.join(absent)}"
            )
        rescale_type = str(header.get("RescaleType", "HU")).strip().upper()
        if rescale_type not in ("HU", "US", "HU_MOD"):
            raise InputError(
                "This series is not in Hounsfield units.", where=str(header.path), got=rescale_type, expected="HU"
            )
        if int(header.get("SamplesPerPixel", 1)) != 1:
            raise InputError("This series is a colour image, not a CT.", where=str(header.path))
    for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        values = np.array([np.atleast_1d(np.asarray(h.get(name), float)) for h in group])
        if np.abs(values - values[0]).max() > 1e-3:
            raise InputError(
                "The slices of this series do not fit each other.",
                where=str(path),
                got=f"different {name}: {sorted({str(h.get(name)) for h in group})[:4]}",
                expected="one value for all slices",
                advice="export the axial series alone, without scouts and reformats",
            )
    frames = sorted({str(h.get("FrameOfReferenceUID", "")) for h in group})
    if len(frames) > 1:
        raise InputError("One series lies in several frames of reference.", where=str(path), got=", ".join(frames))


def _geometry(group: Sequence[Header]) -> Slices:
    first = group[0]
    cosines = np.asarray(first.get("ImageOrientationPatient"), float)
    return Slices(
        positions=np.array([np.asarray(h.get("ImagePositionPatient"), float) for h in group]),
        row=cosines[:3] / np.linalg.norm(cosines[:3]),
        column=cosines[3:] / np.linalg.norm(cosines[3:]),
        spacing=(float(first.get("PixelSpacing")[1]), float(first.get("PixelSpacing")[0])),
        order=tuple(range(len(group))),
    )


def _pixels(header: Header) -> NDArray[np.float32]:
    """HU of one slice, shape (rows, columns)."""
    import pydicom

    try:
        with _quiet():
            data: Any = pydicom.dcmread(header.path)
            raw = np.asarray(data.pixel_array)
    except Exception as error:  # pydicom and the codecs raise many kinds
        raise _unreadable(header.path, error) from error
    if raw.shape != (int(header.get("Rows")), int(header.get("Columns"))):
        raise InputError("A slice has another size than its header says.", where=str(header.path), got=raw.shape)
    hu = raw.astype(np.float32) * float(header.get("RescaleSlope")) + float(header.get("RescaleIntercept"))
    empty = _padding(header, raw, hu)
    hu = np.maximum(hu, np.float32(AIR_HU))
    hu[empty] = NO_DATA_HU
    return hu


def _padding(header: Header, raw: NDArray[Any], hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels without data; pixels that are padding by their number but may be noise of air become air in ``hu``."""
    first = header.get("PixelPaddingValue")
    stated = np.zeros(raw.shape, bool)
    if first is not None:
        ends = sorted((int(first), int(header.get("PixelPaddingRangeLimit", first))))
        stated = (raw >= ends[0]) & (raw <= ends[1])
    like_air = stated & (hu > rule("hu no data")) & (hu <= rule("hu air inside"))
    unlike = stated & ~like_air
    hu[stated] = AIR_HU
    return np.asarray(unlike | solid_at_border(stated) | below_air(np.where(stated, np.float32(NO_DATA_HU), hu)))


def _unreadable(path: Path, error: Exception) -> InputError:
    text = str(error).splitlines()[0][:200] if str(error) else ""
    return InputError(
        "A DICOM file cannot be read.",
        where=str(path),
        got=f"{type(error).__name__}: {text}",
        expected="a complete CT slice",
        advice="copy or export the series again",
    )


def _volume(stack: NDArray[np.float32], slices: Slices, first: Header, path: Path) -> Volume:
    """Stack (slice, row, column) in LPS to a RAS volume with axes (column index, row index, slice)."""
    step = slices.step
    if slices.tilt_deg > 0:
        stack, origin, filled = straightened(stack, slices, NO_DATA_HU)
        step = slices.normal * float(step @ slices.normal)
        warnings.warn(
            f"gantry tilt of {slices.tilt_deg:.1f} degrees: slices were shifted (linear interpolation) to an "
            f"orthogonal grid; {100 * filled:.0f} % of it has no data",
            ImagingWarning,
            stacklevel=4,
        )
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
    return Volume(data, Grid(shape, affine, str(first.get("FrameOfReferenceUID", ""))), str(path))
