"""The Word document opens: real headings, tables with repeated header rows, figures with alternatives, marks."""

from __future__ import annotations

from pathlib import Path

import pytest
from docx import Document
from docx.document import Document as Docx
from docx.oxml.ns import qn

from tests.review.made import Series, review
from vertherm.report.review_docx import write_docx


@pytest.fixture(scope="module")
def docx(tmp_path_factory: pytest.TempPathFactory) -> Docx:
    path = tmp_path_factory.mktemp("docx") / "review.docx"
    write_docx(review("khan2018", figures=True), path)
    return Document(str(path))


def test_headings_and_properties(docx: Docx) -> None:
    made = review("khan2018", figures=True)
    headings = [item.text for item in docx.paragraphs if item.style is not None and item.style.name == "Heading 1"]
    assert headings == [f"{section.number}. {section.title}" for section in made.sections]
    assert docx.core_properties.title == made.heading
    assert docx.core_properties.language == "en-GB"


def test_tables_repeat_their_header_and_hold_the_numbers(docx: Docx) -> None:
    made = review("khan2018", figures=True).tables()
    assert len(docx.tables) == len(made)
    for table, source in zip(docx.tables, made, strict=True):
        first = table.rows[0]
        assert first._tr.trPr is not None
        assert first._tr.trPr.find(qn("w:tblHeader")) is not None
        assert [cell.text for cell in first.cells] == [column.label for column in source.columns]
        # A row a line and a row a group heading, beside the header.
        groups = sum(bool(name) for name, _ in source.groups())
        assert len(table.rows) == 1 + len(source.rows) + groups
        assert table.rows[-1].cells[0].text == source.rows[-1].cells[0].text
    captions = [item.text for item in docx.paragraphs if item.style is not None and item.style.name == "Caption"]
    assert [table.caption for table in made] == [text for text in captions if text.startswith("Table ")]


def test_header_of_every_section_is_marked(docx: Docx) -> None:
    assert len(docx.sections) == 3
    for section in docx.sections:
        assert "SYNTHETIC DATA" in section.header.paragraphs[0].text
        assert "PAGE" in section.footer.paragraphs[0]._p.xml
    assert [section.page_width > section.page_height for section in docx.sections] == [False, True, False]


def test_figures_have_alternatives(docx: Docx) -> None:
    figures = review("khan2018", figures=True).figures()
    assert [shape._inline.docPr.get("descr") for shape in docx.inline_shapes] == [figure.alt for figure in figures]
    wide = max(section.page_width or 0 for section in docx.sections)
    assert all(shape.width < wide for shape in docx.inline_shapes)


def test_control_characters_do_not_break_the_file(tmp_path: Path) -> None:
    series = Series(title="a\x00b\x0bc <&>").patient("p", vas=[(-1, 7.0)])
    write_docx(series.review(), tmp_path / "x.docx")
    assert any("a\ufffdb\ufffdc <&>" in item.text for item in Document(str(tmp_path / "x.docx")).paragraphs)
