"""The review as one HTML page that loads nothing from anywhere: figures inline, styles inline, no script."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from vertherm.review.model import RESEARCH_NOTICE, SYNTHETIC_MARK, SYNTHETIC_NOTICE, Figure, Review, Table, Text

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_ID = re.compile(r'(\bid="|url\(#|href="#)')
_LONG = re.compile(r"(\S{24})(?=\S{7})")
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_SIZE = re.compile(r'^<svg[^>]*?viewBox="([^"]+)"[^>]*>')


def render(review: Review, *, paged: bool = False) -> str:
    """The page as text; every name in it is escaped.

    Args:
        review: what to show.
        paged: for the PDF: running heads, figures as pictures (their text alternatives reach the PDF's tags).
    """
    return (
        _environment()
        .get_template("review.html.j2")
        .render(
            review=review,
            paged=paged,
            mark=SYNTHETIC_MARK,
            synthetic_notice=SYNTHETIC_NOTICE.removeprefix(f"{SYNTHETIC_MARK}. "),
            research_notice=RESEARCH_NOTICE.removeprefix("Research use only. "),
        )
    )


def inline_svg(figure: Figure) -> Markup:
    """The figure as an element of the page, its ids made unique, its text alternative in its first children."""
    from markupsafe import Markup, escape

    svg = figure.svg[figure.svg.index("<svg") :]
    svg = _METADATA.sub("", svg)
    name = f"fig-{figure.id}"
    svg = _ID.sub(lambda found: f"{found.group(1)}{name}-", svg)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="\\1" role="img" '
        f'aria-labelledby="{name}-title" class="figure" style="max-width:{figure.width_in * 96:.0f}px">'
        f'<title id="{name}-title">{escape(figure.alt)}</title>'
    )
    # The replacement comes from data in part: a function keeps backslashes in it from being read as groups.
    return Markup(_SIZE.sub(lambda found: head.replace("\\1", found.group(1)), svg, count=1))


def data_uri(figure: Figure) -> str:
    """The figure as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(figure.svg.encode()).decode()


def kind(block: Text | Table | Figure) -> str:
    """'table', 'figure', or the kind of the text."""
    return block.kind if isinstance(block, Text) else type(block).__name__.lower()


def breakable(text: str) -> Markup:
    """The text, with places to break words that are too long for a column (hashes, keys)."""
    from markupsafe import Markup, escape

    parts = (escape(part) for part in _LONG.split(text) if part)
    return Markup("<wbr>").join(parts) if _LONG.search(text) else Markup(escape(text))


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vertherm.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"kind": kind, "breakable": breakable, "inline_svg": inline_svg, "data_uri": data_uri}
    return environment
