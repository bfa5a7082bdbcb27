"""The PDF is tagged (PDF/UA-1), marked on every page, has its fonts inside; a missing library is named."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.review.made import review
from vertherm.core.errors import InputError
from vertherm.report.review_html import render
from vertherm.report.review_pdf import write_pdf


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    path = tmp_path_factory.mktemp("pdf") / "review.pdf"
    write_pdf(review("khan2018", figures=True), path)
    return PdfReader(path)


def elements(node: Any, found: list[Any]) -> list[Any]:
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for item in node:
            elements(item, found)
    elif isinstance(node, dict):
        found.append(node)
        if "/K" in node:
            elements(node["/K"], found)
    return found


def test_tagged_with_title_and_language(pdf: PdfReader) -> None:
    root = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a PDF boolean object
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert pdf.metadata is not None
    assert str(pdf.metadata.title).startswith("SYNTHETIC")
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()


def test_structure_holds_tables_headings_and_figures_with_alternatives(pdf: PdfReader) -> None:
    tags = elements(pdf.trailer["/Root"]["/StructTreeRoot"]["/K"], [])
    kinds = [str(tag.get("/S")) for tag in tags]
    made = review("khan2018", figures=True)
    # A table that goes over a page is tagged once a page.
    assert kinds.count("/Table") >= len(made.tables())
    assert kinds.count("/Caption") >= len(made.tables())
    assert kinds.count("/H2") == len(made.sections)
    assert {"/TH", "/TD", "/Caption", "/H1"} <= set(kinds)
    alternatives = {str(tag["/Alt"]) for tag in tags if "/Alt" in tag}
    assert {figure.alt for figure in made.figures()} <= alternatives


def test_every_page_carries_the_mark_and_its_number(pdf: PdfReader) -> None:
    assert len(pdf.pages) > 5
    for number, page in enumerate(pdf.pages, start=1):
        text = page.extract_text()
        assert "SYNTHETIC DATA" in text
        assert "research only" in text
        assert f"page {number} of {len(pdf.pages)}" in text


def test_fonts_are_embedded(pdf: PdfReader) -> None:
    seen = 0
    for page in pdf.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            for below in font.get_object().get("/DescendantFonts", [font]):
                descriptor = below.get_object()["/FontDescriptor"].get_object()
                assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)
                seen += 1
    assert seen


def test_nothing_is_cut_off_at_the_margins() -> None:
    """Every word and every cell as laid out ends before the right margin."""
    from weasyprint import HTML
    from weasyprint.formatting_structure.boxes import TableCellBox, TextBox

    document = HTML(string=render(review("khan2018", figures=True), paged=True)).render()
    checked = 0
    for page in document.pages:
        box = page._page_box
        right = box.content_box_x() + box.width
        for part in box.descendants():
            if isinstance(part, TextBox | TableCellBox) and part.width:
                assert part.position_x + part.width <= right + 0.5
                checked += isinstance(part, TableCellBox)
    assert checked > 1000


def test_missing_library_is_an_input_error_that_names_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("weasyprint"):
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"libpango-1\.0-0") as caught:
        write_pdf(review("khan2018"), tmp_path / "x.pdf")
    assert "apt-get install" in caught.value.advice
    assert not list(tmp_path.iterdir())
