"""Colours, line styles and words of the report, chosen to be told apart without colour vision (Okabe and Ito)."""

from __future__ import annotations

from vertherm.planning.assessment import Assessment, CoverageStatus, Status
from vertherm.planning.plan import PlanStatus

BONE_WINDOW = (400.0, 1800.0)
"""Centre and width of the CT window in HU."""
RESEARCH_MARK = "RESEARCH ONLY - not for treatment"
SYNTHETIC_MARK = "SYNTHETIC"
DERIVED_MARK = "dashed outline = derived by a rule, not labelled"

LESION_COLOUR = "#ff4fd8"
NEEDLE_COLOUR = "#ffffff"
MEDIUM_COLOUR = "#8be9fd"
_MEDIA = {"co2": "CO₂", "saline": "saline", "dextrose": "5 % dextrose"}

_KIND_COLOURS = {
    "cord": "#f0e442",
    "cauda": "#f0e442",
    "dural sac": "#56b4e9",
    "canal": "#56b4e9",
    "root": "#2fd6a0",
    "plexus": "#2fd6a0",
    "skin": "#ffffff",
    "vessel": "#ff7f50",
    "pleura": "#b9a7ff",
    "lung": "#b9a7ff",
    "bowel": "#e69f00",
    "rectum": "#e69f00",
    "kidney": "#cc79a7",
    "ureter": "#cc79a7",
}
_OTHER_KIND = "#d0d0d0"

PATH_COLOURS = (
    "#ffffff", "#56b4e9", "#f0e442", "#2fd6a0", "#ff7f50", "#cc79a7", "#b9a7ff", "#d9c29c",
    "#9060e0", "#3fa03f", "#c0ff90", "#30ffff",
)  # fmt: skip
"""Of the paths in an overview, in their order; then again, with a dark middle."""

ZONE_COLOURS = ("#ffffff", "#56b4e9", "#f0e442", "#2fd6a0", "#ff7f50", "#cc79a7")

STATUS_WORDS: dict[Status, str] = {
    "green": "within limits",
    "warn": "warning limit reached",
    "stop": "stop limit reached",
    "not assessed": "not assessed",
}
STATUS_SIGNS: dict[Status, str] = {"green": "✓", "warn": "▲", "stop": "■", "not assessed": "?"}
VERDICT_WORDS: dict[Status, str] = {
    "green": "GREEN: no limit is reached, not even in the worst member",
    "warn": "WARNING: a warning limit is reached in the worst member",
    "stop": "STOP: a stop limit is reached in the worst member",
    "not assessed": "NOT ASSESSED: a required structure could not be judged",
}
COVERAGE_WORDS: dict[CoverageStatus, str] = {
    "covered with margin": "the lesion is covered with the wanted margin, even in the worst member",
    "covered": "the lesion is covered, but without the wanted margin in the worst member",
    "not covered": "the lesion is NOT fully covered in the worst member",
    "no zone": "no ablation zone forms in the worst member",
}
COVERAGE_STATUS: dict[CoverageStatus, Status] = {
    "covered with margin": "green",
    "covered": "warn",
    "not covered": "stop",
    "no zone": "stop",
}
PLAN_SIGNS: dict[PlanStatus, str] = {"provisional": "▲", "verified": "✓", "no safe plan": "■"}
PLAN_HEADLINES: dict[PlanStatus, str] = {
    "provisional": "PROVISIONAL PLAN: not yet verified by the full ensemble",
    "verified": "VERIFIED PLAN: the full ensemble and the full-wave check keep every limit",
    "no safe plan": "NO SAFE PLAN",
}
CERTAINTY_WORDS = {
    "S": "read in the source",
    "D": "derived from read numbers",
    "R": "recalled, not confirmed",
    "guess": "a guess of ours",
}


_SAMPLED: dict[Status, str] = {
    "green": "GREEN: no limit is reached by {rule}",
    "warn": "WARNING: a warning limit is reached by {rule}",
    "stop": "STOP: a stop limit is reached by {rule}",
}


def decider(assessment: Assessment, *, upper: bool = True) -> str:
    """What decides a status, in words: the worst member, or the rule for the samples."""
    row = assessment.ensemble
    if row is None:
        return "the worst member"
    rule = row.safety_rule if upper else row.coverage_rule
    return "the worst sample" if rule.startswith("the worst") else f"the {rule}"


def verdict_words(assessment: Assessment) -> str:
    """The safety verdict as a headline."""
    if assessment.ensemble is None or assessment.verdict not in _SAMPLED:
        return VERDICT_WORDS[assessment.verdict]
    return _SAMPLED[assessment.verdict].format(rule=decider(assessment))


def coverage_words(assessment: Assessment, status: CoverageStatus) -> str:
    """Coverage in a few words."""
    words = COVERAGE_WORDS[status]
    return words if assessment.ensemble is None else words.replace("the worst member", decider(assessment, upper=False))


def kind_colour(kind: str) -> str:
    """Outline colour of a kind of structure."""
    return _KIND_COLOURS.get(kind, _OTHER_KIND)


def zone_colour(position: int) -> str:
    """Contour colour of the zone metric at this position."""
    return ZONE_COLOURS[position % len(ZONE_COLOURS)]


def path_colour(position: int) -> str:
    """Colour of the path at this position of a result."""
    return PATH_COLOURS[position % len(PATH_COLOURS)]


def path_cored(position: int) -> bool:
    """True where a path has the colour of an earlier one, so that its line must differ."""
    return position >= len(PATH_COLOURS)


def medium(name: str) -> str:
    """A medium of a dissection as a person writes it."""
    return _MEDIA.get(name, name)
