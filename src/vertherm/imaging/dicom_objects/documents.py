"""Key pictures as Secondary Capture, and a report as encapsulated PDF: what every archive can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.imaging.dicom_objects.instance import new_instance
from vertherm.imaging.dicom_objects.marks import Marks, content_seed, finished, quietly
from vertherm.imaging.dicom_objects.source import SourceSeries

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@quietly
def write_picture(
    source: SourceSeries,
    pixels: NDArray[np.uint8],
    title: str,
    marks: Marks,
    *,
    what: str,
    number: int = 1,
    series_number: int = 801,
) -> Any:
    """A key picture.

    Args:
        source: series whose study it joins.
        pixels: (rows, columns, 3) RGB; the marks that must stay on it are drawn in it already.
        title: what it shows.
        marks: of the results.
        what: name of the series of pictures within the set.
        number: of the picture within the series.
        series_number: of the new series.

    Raises:
        InputError: no RGB picture.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(
            "A key picture must be RGB.", got=f"{pixels.shape} {pixels.dtype}", expected="rows, columns, 3, uint8"
        )
    seed = content_seed(title, str(number), pixels.tobytes())
    new = new_instance(
        source, marks, what, sop_class=SECONDARY_CAPTURE, modality="OT", series_number=series_number, content=seed
    )
    new.InstanceNumber = number
    new.ConversionType = "WSD"
    new.ImageType = ["DERIVED", "SECONDARY"]
    new.ImageComments = f"{title}. {marks.words()}"[:10240]
    new.DerivationDescription = marks.words()[:1024]
    new.PatientOrientation = ""
    new.SamplesPerPixel, new.PlanarConfiguration = 3, 0
    new.PhotometricInterpretation = "RGB"
    new.Rows, new.Columns = pixels.shape[:2]
    new.BitsAllocated = new.BitsStored = 8
    new.HighBit, new.PixelRepresentation = 7, 0
    new.BurnedInAnnotation = "NO"
    data = np.ascontiguousarray(pixels).tobytes()
    new.PixelData = data + b"\0" * (len(data) % 2)
    new["PixelData"].VR = "OB"
    return finished(new, marks, what, source.uids)


@quietly
def write_pdf(
    source: SourceSeries, content: bytes, title: str, marks: Marks, *, what: str = "report", series_number: int = 901
) -> Any:
    """A PDF report.

    Raises:
        InputError: the content is no PDF.
    """
    if not content.startswith(b"%PDF-"):
        raise InputError("The report is no PDF.", where=title, got=repr(content[:8]), expected="%PDF-")
    # PDFs carry their time of making: their identity is the results', not their bytes'.
    seed = content_seed(marks.seed, title, "pdf")
    new = new_instance(
        source, marks, what, sop_class=ENCAPSULATED_PDF, modality="DOC", series_number=series_number, content=seed
    )
    new.ConversionType = "WSD"
    new.AcquisitionDateTime = marks.created.strftime("%Y%m%d%H%M%S")
    new.BurnedInAnnotation = "YES"
    new.DocumentTitle = marks.description(title)
    new.ConceptNameCodeSequence = []
    new.MIMETypeOfEncapsulatedDocument = "application/pdf"
    new.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    new.EncapsulatedDocumentLength = len(content)
    return finished(new, marks, what, source.uids)
