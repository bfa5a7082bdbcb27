"""The printed report: A4 landscape, marks, title and page numbers on every page, nothing beyond the paper."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from pypdf import PdfReader
from weasyprint import HTML

from tests.report import fabricated, fabricated_plan
from tests.report.test_plan import comparison, effect, pictures, view
from vertherm.report import html

CSS_MM = 96 / 25.4


def page(*, synthetic: bool = True) -> str:
    """A plan's report with every part that has a table; speckles for pictures."""
    parts = (view(fabricated_plan.plan()), comparison(), effect())
    rendered = html.render(fabricated.assessment(), pictures(), *parts)
    if synthetic:
        return rendered
    # As the template leaves them out where nothing was made by a program.
    return re.sub(r'<p class="synthetic">.*?</p>|<strong>SYNTHETIC.</strong>', "", rendered, flags=re.DOTALL)


def read(rendered: str) -> list[str]:
    """Text by page."""
    file = io.BytesIO(HTML(string=rendered).write_pdf())
    return [" ".join(sheet.extract_text().split()) for sheet in PdfReader(file).pages]


def boxes(rendered: str, kind: str) -> list[Any]:
    """Every laid out box of a kind."""
    sheets = HTML(string=rendered).render().pages
    return [box for sheet in sheets for box in sheet._page_box.descendants() if type(box).__name__ == kind]


def test_every_page_carries_title_marks_and_its_number() -> None:
    title = fabricated.assessment().title
    texts = read(page())
    assert len(texts) > 3
    for number, text in enumerate(texts, start=1):
        assert "SYNTHETIC. RESEARCH ONLY, not a medical device" in text
        assert f"page {number} of {len(texts)}" in text
        assert title in text


def test_a_report_of_real_data_is_marked_for_research_only() -> None:
    for text in read(page(synthetic=False)):
        assert "RESEARCH ONLY, not a medical device" in text
        assert "SYNTHETIC. RESEARCH ONLY" not in text


@pytest.mark.parametrize(("width", "height"), [(503, 442), (1123, 504), (467, 1400)])
def test_pictures_keep_their_proportions_and_stay_on_the_paper(width: int, height: int) -> None:
    """Wide, usual and tall ones, alone and three in a row; no picture is cut by the end of a page."""
    source = f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'/%3E"
    picture = f'<figure><img alt="part" width="{width}" height="{height}" src="{source}"></figure>'
    pair, three = picture.replace("part", "pair") * 2, picture.replace("part", "three") * 3
    rows = f'<div class="row">{pair}</div><div class="row">{three}</div><div class="pictures">{picture}</div>'
    rendered = page().replace("</main>", f"<section>{picture * 2}{rows}</section></main>")
    every = [*boxes(rendered, "InlineReplacedBox"), *boxes(rendered, "BlockReplacedBox")]
    shown = [box for box in every if box.width > 10 and box.element.get("alt") in ("part", "pair", "three")]
    assert len(shown) == 8
    for box in shown:
        assert box.width / box.height == pytest.approx(width / height, rel=0.02)
        assert box.position_x + box.width <= (297 - 12) * CSS_MM + 1
        assert box.position_y + box.height <= (210 - 15) * CSS_MM + 1
        assert box.height <= 84 * CSS_MM + 1
    for name in ("pair", "three"):
        assert len({round(box.position_y) for box in shown if box.element.get("alt") == name}) == 1


def test_the_heading_of_a_long_table_is_repeated() -> None:
    line = '<tr><th scope="row">line</th><td>value</td></tr>'
    table = f"<table><thead><tr><th>the heading</th><th>of it</th></tr></thead><tbody>{line * 120}</tbody></table>"
    texts = read(page().replace("</main>", f"{table}</main>"))
    held = [text for text in texts if "line value" in text]
    assert len(held) >= 3
    assert all("the heading of it" in text for text in held)


def test_what_is_for_print_does_not_reach_the_screen() -> None:
    """Outside of its print rules the style sheet names no page and no print measure."""
    css = html.render(fabricated.assessment(), html.Pictures()).split("<style>")[1].split("</style>")[0]
    screen = css[: css.index("@page")]
    assert "max-width: 78rem" in screen
    assert not re.search(r"\d(mm|pt)\b", screen)
