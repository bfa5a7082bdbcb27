"""Published numbers that stand beside the results; nothing is fitted to them."""

from __future__ import annotations

from vertherm.planning.cement.document import PublishedRow


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
