"""Published numbers that stand beside the results, and how far the results lie from them; nothing is fitted to them."""

from __future__ import annotations

import numpy as np

from vertherm.planning.cement.document import CuringRow, LeakageCurve, PublishedRow, StrengthRow, TargetCement


def _row(
    words: str,
    source: str,
    certainty: str,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> PublishedRow:
    return PublishedRow(words=words, value=value, low=low, high=high, source=source, certainty=certainty)


LEAKAGE = [
    _row(
        "any leak, microwave ablation and cement, several series of metastases",
        "Wu 2021, 30 %; BMC Musculoskelet Disord 2022, 28 %; osteogenic metastases, 40 %; Liu 2023, 7 %",
        "S",
        low=0.07,
        high=0.40,
    ),
    _row(
        "any leak, vertebroplasty of metastases alone", "Corcos 2014, 53 %; WJSO 2022, 57 %", "S", low=0.53, high=0.57
    ),
    _row("canal, vertebroplasty of metastases alone", "WJSO 2022, doi 10.1186/s12957-022-02583-5", "S", value=0.159),
    _row(
        "vessels, vertebroplasty of metastases alone",
        "WJSO 2022 (9.7 %) and Corcos 2014 (25 %)",
        "S",
        low=0.097,
        high=0.25,
    ),
    _row("disc or paravertebral, vertebroplasty of metastases alone", "WJSO 2022", "S", value=0.31),
    _row(
        "mass leaked on a bench: low viscosity 4.0 g at 3.5 min and 2.6 g at 9.5 min, high viscosity 1.5 g and 0.9 g; "
        "the model's viscosity moves pressure and time, not the place of the cement, and does not show this",
        "Int J Spine Surg 4/1/26",
        "S",
    ),
]
CANAL_TEMPERATURE = [
    _row(
        "canal, cadaver in a 37 °C bath, 6 or 10 ml", "Belkoff and Molloy 2003, Spine 28:1555", "S", low=39.0, high=57.0
    ),
    _row("canal, 25 vertebrae, largest", "Int Orthop 2012;36:1025", "S", value=43.2),
    _row("epidural, goat in vivo, 0.8 ml", "2003 goat study named in the project's facts", "S", value=37.0),
]
STRENGTH = [
    _row("volume and pain: no association, 158 levels", "Kaufmann 2006, PMC7977919", "S"),
    _row("4.4 ml restores stiffness above fracture, below intact", "doi 10.1186/s13018-020-01906-0", "S"),
    _row("2 ml restores strength, 4-8 ml stiffness", "Belkoff 2001, Liebschner 2001, Molloy 2003; recalled", "R"),
]


def beside_published(row: TargetCement) -> list[str]:
    """One sentence for each result that published numbers stand beside: below, within or above, and why it may be."""
    found = []
    if row.curve is not None:
        found.append(_leakage_words(row.curve, row.fill.injected_ml))
    if row.curing is not None:
        found.append(_canal_words(row.curing))
    if row.strength is not None:
        found.append(_stiffness_words(row.strength, row.fill.injected_ml))
    return [words for words in found if words]


def _leakage_words(curve: LeakageCurve, volume_ml: float) -> str:
    place = int(np.argmin(np.abs(np.array(curve.volume_ml) - volume_ml)))
    share, low, high = (series["any"][place] for series in (curve.probability, curve.low, curve.high))
    after, alone = LEAKAGE[0], LEAKAGE[1]
    assert after.low is not None
    assert after.high is not None
    words = (
        f"A leak anywhere at {volume_ml:.1f} ml: {share:.0%} of the samples ({low:.0%} to {high:.0%}), "
        f"{_place(share, after.low, after.high)} the {after.low:.0%} to {after.high:.0%} of series of ablation with "
        f"cement ({alone.low:.0%} to {alone.high:.0%} without ablation)."
    )
    if share < after.low:
        words += (
            " The model sees no vein and no defect below the scan's resolution, stops where the probability of a leak "
            "becomes too large, and counts only what lies outside the bone: it ranks needles and volumes, it does not "
            "predict the rate of a series."
        )
    return words


def _canal_words(row: CuringRow) -> str:
    canal = next((one for one in row.structures if one.name == "canal"), None)
    if canal is None:
        return ""
    cadaver, largest = CANAL_TEMPERATURE[0], CANAL_TEMPERATURE[1]
    assert cadaver.low is not None
    assert cadaver.high is not None
    peak = canal.curing_peak_c
    if canal.ablation_peak_c is not None:
        return (
            f"Canal while the cement cures: {peak.value:.1f} °C, part of it left by the ablation. The published "
            f"temperatures ({cadaver.low:.0f} to {cadaver.high:.0f} °C in cadavers, at most {largest.value:.1f} °C in "
            "25 vertebrae) started from body temperature: they do not compare."
        )
    where = _place(peak.value, cadaver.low, cadaver.high)
    return (
        f"Canal by curing: {peak.value:.1f} °C ({peak.low:.1f} to {peak.high:.1f}), {where} the {cadaver.low:.0f} to "
        f"{cadaver.high:.0f} °C of cadavers in a bath; the largest of 25 vertebrae elsewhere was {largest.value:.1f} "
        "°C, an animal showed no rise. The reports disagree: they differ in the distance from cement to canal and in "
        "the cooling by CSF and veins."
    )


def _stiffness_words(row: StrengthRow, volume_ml: float) -> str:
    cemented = next((one for one in row.states if one.state == "with cement"), None)
    if cemented is None:
        return ""
    ratio = cemented.stiffness_ratio
    side = "above" if ratio.value > 1.0 else "below"
    return (
        f"Stiffness with {volume_ml:.1f} ml: {ratio.value:.2f} of the body without lesion ({ratio.low:.2f} to "
        f"{ratio.high:.2f}), {side} intact; fractured bodies on the bench came back above fracture and below intact "
        "with 4.4 ml. Here no bone is crushed and cement is bonded to bone without gaps; both make the model stiffer."
    )


def _place(value: float, low: float, high: float) -> str:
    return "below" if value < low else "above" if value > high else "within"
