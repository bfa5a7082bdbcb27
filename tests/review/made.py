"""Reviews for the tests: the synthetic series built once, and a small series that a test puts together by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache

import pandas as pd

from vertherm.registry.frames import frames_of
from vertherm.registry.records import Records
from vertherm.registry.synthetic import generate
from vertherm.review.build import build_review
from vertherm.review.model import Review
from vertherm.review.options import ReviewOptions

ZERO = date(2020, 1, 1)
PLAIN = ReviewOptions(figures=False, created_utc="2020-01-01T00:00:00+00:00")


@cache
def frames(name: str) -> dict[str, pd.DataFrame]:
    """Tables of a synthetic series; nobody may change them."""
    return frames_of(generate(name))


@cache
def review(name: str, *, figures: bool = False) -> Review:
    """The review of a synthetic series."""
    return build_review(frames(name), name, ReviewOptions(figures=figures, created_utc=PLAIN.created_utc))


class Series:
    """A small series put together by hand; days count from every patient's first procedure."""

    def __init__(self, *, synthetic: str = "no", day_zero: str = "patient", title: str = "by hand") -> None:
        self.records = Records()
        self.records.add("series", series="s", title=title, synthetic=synthetic, day_zero=day_zero)

    def patient(
        self,
        key: str,
        *,
        vas: Iterable[tuple[int, float | None]] = (),
        death: int | None = None,
        alive: int | None = None,
        levels: tuple[str, ...] = ("L3",),
        scans: Iterable[tuple[int, tuple[str, ...]]] = (),
        treated: bool = True,
        **more: str | int | float,
    ) -> Series:
        """One patient with one procedure on day 0; scans are (day, progression of every lesion)."""
        add = self.records.add
        self._patient(key, alive, **more)
        if death is not None:
            add("death", patient_key=key, date=_on(death), cause="unknown")
        if treated:
            add("procedure", patient_key=key, procedure_no=1, date=ZERO, anaesthesia="general", guidance="ct",
                technical_success="yes")  # fmt: skip
        for number, level in enumerate(levels, start=1):
            self._lesion(key, number, level, treated=treated)
        for number, (day, value) in enumerate(vas, start=1):
            add("visit", patient_key=key, visit_no=number, date=_on(day), vas=value, odi_missing="not_done",
                vas_missing="refused" if value is None else None, omeq_mg_day_missing="not_done")  # fmt: skip
        for number, (day, answers) in enumerate(scans, start=1):
            add("imaging", patient_key=key, imaging_no=number, date=_on(day), modality="mr", evaluable="yes")
            for lesion, answer in enumerate(answers, start=1):
                add(
                    "response",
                    patient_key=key,
                    imaging_no=number,
                    lesion_no=lesion,
                    criterion="mda",
                    progression=answer,
                )
        return self

    def _patient(self, key: str, alive: int | None, **more: str | int | float) -> None:
        values: dict[str, str | int | float] = {
            "sex": "female", "primary_tumour": "breast", "prior_radiotherapy": "no", "systemic_therapy": "yes",
        } | more  # fmt: skip
        self.records.add("patient", patient_key=key, series="s", synthetic=str(values.pop("synthetic", "no")),
                         last_contact=None if alive is None else _on(alive), **values)  # fmt: skip

    def _lesion(self, key: str, number: int, level: str, *, treated: bool) -> None:
        region = {"C": "cervical", "T": "thoracic", "L": "lumbar", "S": "sacral"}[level[0]]
        self.records.add("lesion", patient_key=key, lesion_no=number, level=level, region=region, side="midline",
                         part="body", kind="lytic")  # fmt: skip
        if treated:
            self.records.add("treatment", patient_key=key, procedure_no=1, lesion_no=number, intent="first",
                             ablation="yes", ablation_time_s=300.0, energy_kj=4.0, energy_kind="net", cement="yes",
                             cement_leakage="no")  # fmt: skip

    def complication(self, key: str, **values: str | int) -> Series:
        """A complication of the patient's procedure on day 0."""
        number = 1 + sum(row["patient_key"] == key for row in self.records.dicts("complication"))
        filled: dict[str, str | int] = {
            "procedure_no": 1, "site": "skin", "term": "skin_burn", "attribution": "definite", "outcome": "resolved",
        } | values  # fmt: skip
        self.records.add("complication", patient_key=key, complication_no=number, onset=ZERO, **filled)
        return self

    def frames(self) -> dict[str, pd.DataFrame]:
        """Its tables."""
        return frames_of(self.records)

    def review(self, options: ReviewOptions = PLAIN) -> Review:
        """Its review."""
        return build_review(self.frames(), "s", options)


def _on(day: int) -> date:
    return ZERO + timedelta(days=day)
