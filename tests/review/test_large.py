"""A series of 10,000 patients is reviewed in well under a minute, and individual plots show a stated sample."""

from __future__ import annotations

import time

import pytest

from vertherm.registry.frames import frames_of
from vertherm.registry.synthetic import generate
from vertherm.review.build import build_review
from vertherm.review.options import ReviewOptions


@pytest.mark.slow
def test_ten_thousand_patients() -> None:
    frames = frames_of(generate("stress", patients=10_000))
    started = time.process_time()
    found = build_review(frames, "stress", ReviewOptions())
    assert time.process_time() - started < 45.0
    notes = [note for figure in found.figures() for note in figure.notes]
    assert "A random sample of 100 of 10\u00a0000 treated patients is drawn (seed 0)." in notes
    assert any("A random sample of 150 of" in note for note in notes)
    assert all(len(figure.svg) < 2_000_000 for figure in found.figures())
    rows = found.table("control-models").rows
    assert any("subdistribution hazard ratio" in row.cells[3].text for row in rows)
