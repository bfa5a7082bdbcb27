"""The review as one HTML page: marked everywhere, nothing loaded from outside, nothing injected, readable tables."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tests.review.made import Series, review
from vertherm.report.review_html import breakable, render
from vertherm.review.options import ReviewOptions

EVIL = '<script>alert("x")</script>"onload="boo&[[flow]]'
VOID = {"meta", "br", "wbr", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags with their attributes, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.open = "", list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(review("khan2018", figures=True)))


def test_page_is_whole(page: Page) -> None:
    assert page.open == []
    assert page.all("html")[0]["lang"] == "en-GB"
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}


def test_nothing_is_loaded_from_outside(page: Page) -> None:
    for _, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "data", "action", "style"):
                assert "//" not in (value or "")
    style = re.search(r"<style>(.*?)</style>", render(review("khan2018", figures=True)), re.DOTALL)
    assert style is not None
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {(attrs.get("href") or attrs.get("xlink:href") or "") for _, attrs in page.tags}
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    clips = re.findall(r"url\(#([^)]+)\)", render(review("khan2018", figures=True)))
    assert clips
    assert set(clips) <= set(ids)


def test_every_table_has_caption_scopes_and_unit(page: Page) -> None:
    tables = review("khan2018", figures=True).tables()
    assert len(page.all("table")) == len(page.all("caption")) == len(tables)
    assert all(attrs.get("scope") in ("col", "row", "rowgroup") for attrs in page.all("th"))
    assert page.text.count("Unit of analysis: ") >= len(tables)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_figures_are_inline_with_a_text_alternative(page: Page) -> None:
    figures = review("khan2018", figures=True).figures()
    drawn = [attrs for attrs in page.all("svg") if attrs.get("role") == "img"]
    assert len(drawn) == len(figures) == 5
    for figure, attrs in zip(figures, drawn, strict=True):
        assert attrs["aria-labelledby"] == f"fig-{figure.id}-title"
        assert figure.alt in page.text


def test_synthetic_is_said_in_every_heading_and_caption(page: Page) -> None:
    html = render(review("khan2018", figures=True))
    for part in re.findall(r"<(?:h2|caption|figcaption)[ >].*?</(?:h2|caption|figcaption)>", html, re.DOTALL):
        assert "SYNTHETIC" in part
    assert "<title>SYNTHETIC" in html
    assert 'class="band"' in html


def test_a_real_series_is_not_called_synthetic() -> None:
    html = render(Series().patient("p", vas=[(-1, 7.0)]).review())
    assert "SYNTHETIC" not in html
    assert "RESEARCH ONLY" in html


def test_hostile_text_is_text() -> None:
    series = Series(title=EVIL).patient("p", vas=[(-1, 7.0), (20, 2.0)], alive=200)
    series.complication("p", structure=EVIL[:80])
    series.records.add(
        "series_statement", series="s", statement_no=1, kind="stated", item=EVIL, value=EVIL, source=EVIL
    )
    series.records.add("visit_window", series="s", time_point="a", label=EVIL, first_day=-30, last_day=0)
    series.records.add("visit_window", series="s", time_point="b", label="$x^2_", first_day=14, last_day=28)
    html = render(series.review(ReviewOptions()))
    page = Page(html)
    assert page.open == []
    assert not page.all("script")
    assert not any("onload" in attrs for _, attrs in page.tags)
    assert "<script" not in html
    assert '<script>alert("x")' in page.text


def test_long_words_can_break() -> None:
    assert str(breakable("a" * 64)).count("<wbr>") == 2
    assert str(breakable("<b>" + "a" * 40)) == "&lt;b&gt;" + "a" * 21 + "<wbr>" + "a" * 19
    assert str(breakable("short words only")) == "short words only"
