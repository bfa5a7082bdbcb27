"""Writes a review: HTML, PDF, DOCX, every table as CSV, every number as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vertherm.core.files import atomic_folder, write_json
from vertherm.core.progress import Progress, silent
from vertherm.review.model import RESEARCH_NOTICE, SYNTHETIC_MARK, SYNTHETIC_NOTICE, Figure, Review, Table, Text

SCHEMA_VERSION = 1
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet take a text for a formula."""
_README = """Tables of the review of series {series}
{rule}
{mark}
One CSV file a table (UTF-8, comma, double quotes), numbered as in the review.
Column "data" says in every row whether the data are SYNTHETIC or come from a registry.
Column "group" is the heading under which a row stands in the review.
A column named KEY holds the text of the review; columns named KEY.PART hold the unrounded numbers behind it.
An empty cell means that there is no such number. Shares are fractions of 1.
A text that a spreadsheet would take for a formula begins with an apostrophe.
The captions, units of analysis and footnotes are in README.txt below and in review.json.

"""


def write_review(
    review: Review, folder: Path, *, pdf: bool = True, docx: bool = True, progress: Progress = silent
) -> list[Path]:
    """Write ``review.html``, ``review.json``, ``tables/*.csv`` and, where wanted, ``review.pdf`` and ``review.docx``.

    All files appear together or none does.

    Args:
        review: what to write.
        folder: folder to write into; tables of an earlier review there are removed.
        pdf, docx: write these too.
        progress: told how far the work is.

    Returns:
        The files written.

    Raises:
        InputError: the folder cannot be written, or the libraries that WeasyPrint needs are missing.
    """
    from vertherm.report import review_html

    folder = Path(folder)
    with atomic_folder(folder, owned=("tables",)) as temporary:
        progress("review: HTML", 0.0)
        (temporary / "review.html").write_text(review_html.render(review), "utf-8")
        write_json(temporary / "review.json", document(review))
        _tables(review, temporary / "tables")
        if docx:
            from vertherm.report import review_docx

            progress("review: DOCX", 0.3)
            review_docx.write_docx(review, temporary / "review.docx")
        if pdf:
            from vertherm.report import review_pdf

            progress("review: PDF", 0.5)
            review_pdf.write_pdf(review, temporary / "review.pdf")
        names = sorted(item.relative_to(temporary) for item in temporary.rglob("*") if item.is_file())
    progress("review: PDF" if pdf else "review: HTML", 1.0)
    return [folder / name for name in names]


def document(review: Review) -> dict[str, Any]:
    """The review as JSON: every number unrounded; pictures by their text alternative only."""
    return {
        "schema_version": SCHEMA_VERSION,
        "document": "vertherm review",
        "mark": SYNTHETIC_MARK if review.synthetic else "",
        "synthetic": review.synthetic,
        "notice": " ".join(([SYNTHETIC_NOTICE] if review.synthetic else []) + [RESEARCH_NOTICE]),
        "series": review.series,
        "title": review.title,
        "sections": [
            {
                "id": section.id,
                "number": section.number,
                "title": section.title,
                "blocks": [_block(block) for block in section.blocks],
            }
            for section in review.sections
        ],
        "provenance": dict(review.provenance),
    }


def _block(block: Text | Table | Figure) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"type": block.kind, "lines": list(block.lines)}
    if isinstance(block, Figure):
        return {
            "type": "figure",
            "id": block.id,
            "number": block.number,
            "title": block.title,
            "alt": block.alt,
            "notes": list(block.notes),
        }
    return {
        "type": "table",
        "id": block.id,
        "number": block.number,
        "title": block.title,
        "unit_of_analysis": block.unit,
        "file": f"tables/{file_name(block)}",
        "columns": [{"key": column.key, "label": column.label} for column in block.columns],
        "rows": [
            {
                "group": row.group,
                "cells": [
                    {"text": cell.text, "values": dict(cell.values)} if cell.values else {"text": cell.text}
                    for cell in row.cells
                ],
            }
            for row in block.rows
        ],
        "notes": list(block.notes),
    }


def file_name(table: Table) -> str:
    """Name of a table's CSV file."""
    return f"{table.number:02d}-{table.id}.csv"


def csv_text(table: Table, *, synthetic: bool) -> str:
    """A table as CSV; see the README written beside the tables."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    parts = {
        place: list(dict.fromkeys(name for row in table.rows for name in row.cells[place].values))
        for place in range(len(table.columns))
    }
    header = ["data", "group"]
    for place, column in enumerate(table.columns):
        header += [column.key, *(f"{column.key}.{name}" for name in parts[place])]
    writer.writerow(header)
    mark = SYNTHETIC_MARK if synthetic else "registry"
    for row in table.rows:
        line = [mark, safe(row.group)]
        for place, cell in enumerate(row.cells):
            line += [safe(cell.text), *(_plain(cell.values, name) for name in parts[place])]
        writer.writerow(line)
    return buffer.getvalue()


def _plain(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    return safe(value) if isinstance(value, str) else repr(value)


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _tables(review: Review, folder: Path) -> None:
    folder.mkdir()
    mark = SYNTHETIC_NOTICE if review.synthetic else RESEARCH_NOTICE
    title = f"Tables of the review of series {review.series}"
    lines = [_README.format(series=review.series, rule="=" * len(title), mark=mark)]
    for table in review.tables():
        (folder / file_name(table)).write_text(csv_text(table, synthetic=review.synthetic), "utf-8", newline="")
        lines.append(
            "\n".join([file_name(table), f"  {table.caption}", *(f"  - {note}" for note in table.notes)]) + "\n"
        )
    (folder / "README.txt").write_text("\n".join(lines), "utf-8")
