"""Named criteria of change, applied to one lesion. What they say is a suggestion that a reader confirms."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from vertherm.followup.diameters import Diameters

Response = Literal["cr", "pr", "sd", "pd", "ne"]


@dataclass(frozen=True)
class Measure:
    """A lesion at one examination.

    Args:
        examination: its name.
        size: diameters; all zero where nothing is left.
        soft_tissue: a soft-tissue component is part of it, as a reader said; None: nobody said.
        error_mm: standard deviation of a diameter.
    """

    examination: str
    size: Diameters
    soft_tissue: bool | None
    error_mm: float


@dataclass(frozen=True)
class Suggestion:
    """What a criterion says of the last examination.

    Args:
        criterion: "recist_1_1" or "mda", as in the registry.
        response: cr, pr, sd, pd or ne (not evaluable).
        words: why, with the numbers.
        source: where the rule comes from, and how sure that is.
    """

    criterion: str
    response: Response
    words: str
    source: str


@functools.cache
def rules(name: str) -> dict[str, Any]:
    """One table of criteria.toml."""
    text = resources.files("vertherm.followup").joinpath("data/criteria.toml").read_text("utf-8")
    return dict(tomllib.loads(text)[name])


def recist(measures: Sequence[Measure]) -> Suggestion:
    """RECIST 1.1 of one lesion over its examinations, the first before treatment.

    Bone lesions can be measured only with a soft-tissue component; whether there is one, a reader says.
    """
    rule = rules("recist_1_1")
    source = _source(rule)
    if len(measures) < 2:
        return Suggestion("recist_1_1", "ne", "fewer than two examinations measure the lesion", source)
    first, last = measures[0], measures[-1]
    if not first.soft_tissue or first.size.longest_mm < rule["measurable_mm"]:
        least = f"{rule['measurable_mm']:.0f} mm"
        why = "nobody stated a soft-tissue component" if first.soft_tissue is None else "no soft-tissue component"
        why = why if not first.soft_tissue else f"its longest diameter is {first.size.longest_mm:.1f} mm"
        return Suggestion("recist_1_1", "ne", f"not measurable: {why}; one of {least} or more is needed", source)
    smallest = min(measure.size.longest_mm for measure in measures[:-1])
    now = last.size.longest_mm
    words = (
        f"longest diameter of the whole lesion {first.size.longest_mm:.1f} mm at first, "
        f"{smallest:.1f} mm at its smallest, now {now:.1f} mm"
    )
    rise = now - smallest
    if now == 0.0:
        return Suggestion("recist_1_1", "cr", words, source)
    # What comes back after all was gone is progression, however small.
    grown = smallest == 0.0 or rise >= max(rule["progression_rise"] * smallest, rule["progression_least_mm"])
    return _named(
        "recist_1_1", grown, now <= (1.0 - rule["response_fall"]) * first.size.longest_mm, rise, last, words, source
    )


def mda(measures: Sequence[Measure]) -> Suggestion:
    """MD Anderson bone criteria of one lesion by the product of its diameters.

    Sclerosis and fill-in, which these criteria also read, are for the reader: a denser lesion is no larger one.
    """
    rule = rules("mda")
    source = _source(rule)
    if len(measures) < 2:
        return Suggestion("mda", "ne", "fewer than two examinations measure the lesion", source)
    first, last = measures[0].size, measures[-1].size
    smallest = min(measure.size.product_mm2 for measure in measures[:-1])
    words = (
        f"product of diameters {first.product_mm2:.0f} mm² at first, {smallest:.0f} mm² at its smallest, "
        f"now {last.product_mm2:.0f} mm²"
    )
    if last.longest_mm == 0.0:
        return Suggestion("mda", "cr", words, source)
    grown = last.product_mm2 >= (1.0 + rule["progression_rise"]) * smallest and last.product_mm2 > 0.0
    rise = last.longest_mm - min(measure.size.longest_mm for measure in measures[:-1])
    fallen = last.product_mm2 <= (1.0 - rule["response_fall"]) * first.product_mm2
    return _named("mda", grown, fallen, rise, measures[-1], words, source)


def _named(
    criterion: str, grown: bool, fallen: bool, rise_mm: float, last: Measure, words: str, source: str
) -> Suggestion:
    if grown and rise_mm < 1.96 * (2.0**0.5) * last.error_mm:
        words += f"; the rise of {rise_mm:.1f} mm lies within the error of two measurements"
    response: Response = "pd" if grown else "pr" if fallen else "sd"
    return Suggestion(criterion, response, words, source)


def _source(rule: dict[str, Any]) -> str:
    return f"{rule['source']} ({rule['certainty']})"
