"""The review as a tagged PDF (PDF/UA-1), made from the HTML page by WeasyPrint."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_path
from vertherm.report import review_html
from vertherm.review.model import Review

VARIANT = "pdf/ua-1"
DEBIAN_PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core")


def write_pdf(review: Review, path: Path) -> None:
    """Write the review as PDF: tagged, with title, language, text alternatives, running heads and page numbers.

    Raises:
        InputError: WeasyPrint or one of the system libraries it needs is missing, or the file cannot be written.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:
        _missing(error)
    page = review_html.render(review, paged=True)
    with atomic_path(Path(path)) as temporary:
        # Embedded pictures only: the page may name nothing outside itself, and no file of this machine.
        fetcher = URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)
        HTML(string=page, url_fetcher=fetcher).write_pdf(temporary, pdf_variant=VARIANT)


def _missing(error: Exception) -> NoReturn:
    raise InputError(
        "The PDF cannot be made: WeasyPrint or a library it needs is missing.",
        where="review.pdf",
        got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        expected="WeasyPrint with Pango",
        advice=f"on Debian: apt-get install {' '.join(DEBIAN_PACKAGES)}; or leave the PDF out with --no-pdf",
    ) from error
