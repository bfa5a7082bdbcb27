"""A set of DICOM objects: written together, with the pictures and the PDF of their page."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.files import atomic_folder, write_json
from vertherm.core.progress import Progress
from vertherm.core.warnings import ImagingWarning
from vertherm.imaging.anatomy import on_grid

if TYPE_CHECKING:
    from vertherm.imaging.dicom_objects.marks import Marks
    from vertherm.imaging.dicom_objects.segmentation import WrittenSegment
    from vertherm.imaging.dicom_objects.source import SourceSeries


@dataclass(frozen=True, eq=False)
class Written:
    """One object: name of its file, what it is, its data set."""

    name: str
    what: str
    dataset: Any


def write_set(objects: Iterable[Written], output: Path, marks: Marks, progress: Progress) -> list[dict[str, str]]:
    """Write objects and ``dicom.json`` into a folder, all or nothing.

    Returns:
        One row an object: file, what, SOP class, SOP instance UID, series.
    """
    rows = []
    with atomic_folder(output, owned=("dicom.json",)) as temporary:
        for written in objects:
            written.dataset.save_as(temporary / f"{written.name}.dcm", enforce_file_format=True)
            rows.append(_row(written))
            progress("dicom", min(0.95, 0.1 * len(rows)))
        write_json(temporary / "dicom.json", {"schema_version": 1, "synthetic": marks.synthetic, "objects": rows})
    progress("dicom", 1.0)
    return rows


def _row(written: Written) -> dict[str, str]:
    return {
        "file": f"{written.name}.dcm",
        "what": written.what,
        "sop_class_uid": str(written.dataset.SOPClassUID),
        "sop_instance_uid": str(written.dataset.SOPInstanceUID),
        "series_instance_uid": str(written.dataset.SeriesInstanceUID),
    }


def without_overlap(segments: list[WrittenSegment], source: SourceSeries) -> list[WrittenSegment]:
    """As many segments as fit beside each other, in their order."""
    taken = np.zeros(source.grid.shape, bool)
    kept = []
    for item in segments:
        mask = on_grid(item.mask, source.grid)
        if not (mask & taken).any():
            taken |= mask
            kept.append(item)
    return kept


def page_objects(
    pages: Sequence[str], source: SourceSeries, marks: Marks, wanted: Callable[[str], bool] | None = None
) -> Iterator[Written]:
    """Key pictures and a PDF of each page.

    Args:
        pages: HTML with embedded pictures.
        source: series that the objects refer to.
        marks: of the results.
        wanted: tells by the ``data-part`` that a picture stands in ("" outside of any) whether it is taken; None: all.
    """
    from vertherm.imaging.dicom_objects.documents import write_pdf, write_picture

    found = [picture for page in pages for picture in key_pictures(page)]
    taken = [(title, pixels) for part, title, pixels in found if wanted is None or wanted(part)]
    for number, (title, pixels) in enumerate(taken, start=1):
        picture = write_picture(source, pixels, title, marks, what="key pictures", number=number)
        yield Written(f"picture_{number:02d}", title, picture)
    for number, page in enumerate(pages, start=1):
        content = _pdf(page)
        if content is not None:
            name = "report" if number == 1 else f"report {number}"
            yield Written(name.replace(" ", "_"), "report", write_pdf(source, content, name, marks))


def key_pictures(page: str) -> list[tuple[str, str, NDArray[np.uint8]]]:
    """Part, title and RGB pixels of the pixel pictures of a report, in its order.

    The part is the last ``data-part`` before the picture; a section's heading (h2) ends it.
    """
    from html import unescape

    from PIL import Image

    token = r'<h2|data-part="([^"]*)"|<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"'
    found, part = [], ""
    for match in re.finditer(token, page):
        if match.group(2) is None:
            part = unescape(match.group(1) or "")
            continue
        with Image.open(io.BytesIO(base64.b64decode(match.group(2)))) as image:
            found.append((part, unescape(match.group(3)), np.asarray(image.convert("RGB"), np.uint8)))
    return found


def _pdf(page: str) -> bytes | None:
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        warnings.warn(f"the report is left out: WeasyPrint cannot be used ({error})", ImagingWarning, stacklevel=2)
        return None
    # Embedded pictures only: the page may name nothing outside itself, and no file of this machine.
    fetcher = URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)
    return bytes(HTML(string=page, url_fetcher=fetcher).write_pdf())
