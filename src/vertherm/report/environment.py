"""The templates of all pages, with the filters that turn numbers into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertherm.report import words

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """Templates with the filters of :mod:`vertherm.report.words`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vertherm.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for function in (
        words.number, words.dose, words.band, words.dose_band, words.percent, words.percent_band, words.clock,
        words.point, words.sentence, words.chance, words.count, words.signed, words.share, words.miss,
        words.article, words.sideways, words.forwards,
    ):  # fmt: skip
        environment.filters[function.__name__] = function
    environment.filters |= {"plain": words.plain, "heading": words.heading, "rows": words.table}
    return environment
