"""The review as a Word document: real headings, tables whose header rows repeat, figures with text alternatives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertherm.core.files import atomic_path
from vertherm.review.model import RESEARCH_NOTICE, SYNTHETIC_MARK, SYNTHETIC_NOTICE, Figure, Review, Row, Table, Text

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table as DocxTable
    from docx.text.paragraph import Paragraph

_MARGIN_CM = 1.8
_WIDEST_CM = {False: 21.0 - 2 * _MARGIN_CM, True: 29.7 - 2 * _MARGIN_CM}


def write_docx(review: Review, path: Path) -> None:
    """Write the review as DOCX.

    Raises:
        InputError: the file cannot be written.
    """
    from docx import Document

    document = Document()
    _set_up(document, review)
    document.add_heading(_clean(review.heading), 0)
    if review.synthetic:
        document.add_paragraph(style="Intense Quote").add_run(SYNTHETIC_NOTICE)
    document.add_paragraph(style="Intense Quote").add_run(RESEARCH_NOTICE)
    landscape = False
    for section in review.sections:
        landscape = _turn(document, landscape, wide=section.wide)
        document.add_heading(_clean(f"{section.number}. {section.title}"), 1)
        for block in section.blocks:
            if isinstance(block, Table):
                _table(document, block, _WIDEST_CM[section.wide])
            elif isinstance(block, Figure):
                _figure(document, block)
            else:
                _text(document, block)
    with atomic_path(Path(path)) as temporary:
        document.save(str(temporary))


def _set_up(document: Document, review: Review) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Cm, Pt

    properties = document.core_properties
    properties.title, properties.language = _clean(review.heading), "en-GB"
    properties.author, properties.comments = "Vertherm", RESEARCH_NOTICE
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10)
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21.0), Cm(29.7)
    page.left_margin = page.right_margin = Cm(_MARGIN_CM)
    page.top_margin = page.bottom_margin = Cm(2.0)
    head = page.header.paragraphs[0]
    head.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = head.add_run(
        _clean(f"{f'{SYNTHETIC_MARK} DATA – ' if review.synthetic else ''}research only – {review.title}")
    )
    run.bold = True
    foot = page.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    foot.add_run("page ")
    _page_number(foot)


def _page_number(paragraph: Paragraph) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    for kind, text in (("begin", ""), ("", " PAGE "), ("end", "")):
        run = paragraph.add_run()
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = text
        run._r.append(element)


def _turn(document: Document, landscape: bool, *, wide: bool) -> bool:
    """Begin a new page the other way round where the next block needs it."""
    from docx.enum.section import WD_ORIENT, WD_SECTION

    if wide != landscape:
        page = document.add_section(WD_SECTION.NEW_PAGE)
        page.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
        page.page_width, page.page_height = page.page_height, page.page_width
    return wide


def _text(document: Document, block: Text) -> None:
    for line in block.lines:
        if block.kind in ("points", "numbered"):
            style = "List Bullet" if block.kind == "points" else "List Number"
            document.add_paragraph(_clean(line), style=style)
        elif block.kind == "warning":
            document.add_paragraph(style="Intense Quote").add_run(_clean(line))
        else:
            document.add_paragraph(_clean(line))


def _table(document: Document, table: Table, width_cm: float) -> None:
    caption = document.add_paragraph(_clean(table.caption), style="Caption")
    caption.paragraph_format.keep_with_next = True
    groups = table.groups()
    lines: list[Row | str] = []
    for name, rows in groups:
        lines += [*([name] if name else []), *rows]
    made = document.add_table(len(lines) + 1, len(table.columns), style="Table Grid")
    _widths(made, table, width_cm)
    cells = _grid(made)
    for cell, column in zip(cells[0], table.columns, strict=True):
        _fill(cell, column.label, bold=True)
        _shade(cell, "E8E8E8")
    _repeat(made.rows[0])
    for place, line in enumerate(lines, start=1):
        if isinstance(line, str):
            _fill(cells[place][0].merge(cells[place][-1]), line, bold=True)
            _shade(cells[place][0], "F4F4F4")
            continue
        for number, (cell, source) in enumerate(zip(cells[place], line.cells, strict=True)):
            _fill(cell, source.text, bold=number == 0 and len(line.cells) > 1)
    for note in table.notes:
        _fill(document.add_paragraph(), note, points=8)
    document.add_paragraph()


def _grid(made: DocxTable) -> list[list[Any]]:
    """Cells by row; asking for them one by one would walk the whole table each time."""
    cells, wide = made._cells, len(made.columns)
    return [cells[start : start + wide] for start in range(0, len(cells), wide)]


def _widths(made: DocxTable, table: Table, width_cm: float) -> None:
    """Share the width by the longest words and the amount of text of each column."""
    from docx.shared import Cm

    made.autofit = False
    weights = []
    for place, column in enumerate(table.columns):
        texts = [column.label, *(row.cells[place].text for row in table.rows)]
        longest = max(len(text) for text in texts)
        weights.append(min(max(longest, 7), 60) ** 0.7)
    for place, weight in enumerate(weights):
        width = Cm(width_cm * weight / sum(weights))
        made.columns[place].width = width
        for cell in made.columns[place].cells:
            cell.width = width


def _fill(target: Any, text: str, *, bold: bool = False, points: float = 8.5) -> None:
    from docx.shared import Pt

    paragraph = target.paragraphs[0] if hasattr(target, "paragraphs") else target
    run = paragraph.add_run(_clean(text))
    run.bold, run.font.size = bold, Pt(points)
    paragraph.paragraph_format.space_after = Pt(1)


def _shade(cell: Any, colour: str) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    shade = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", colour)):
        shade.set(qn(f"w:{name}"), value)
    cell._tc.get_or_add_tcPr().append(shade)


def _repeat(row: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def _figure(document: Document, figure: Figure) -> None:
    from docx.shared import Cm

    width = min(figure.width_in * 2.54, _WIDEST_CM[False])
    height = width * figure.height_in / figure.width_in
    if height > 21.0:
        width, height = width * 21.0 / height, 21.0
    shape = document.add_picture(io.BytesIO(figure.png), width=Cm(width))
    document.paragraphs[-1].paragraph_format.keep_with_next = True
    shape._inline.docPr.set("descr", _clean(figure.alt))
    shape._inline.docPr.set("title", _clean(figure.title))
    document.add_paragraph(_clean(figure.caption), style="Caption")


def _clean(text: str) -> str:
    """Text without the control characters that XML forbids."""
    return "".join(sign if sign in "\t\n" or ord(sign) >= 32 else "\ufffd" for sign in text)
