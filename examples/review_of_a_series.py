"""From an empty registry to the numbers of an abstract: the series of Khan et al. (AJNR 2018), made up again.

A registry is set up, a synthetic series with the published margins goes in, and the review comes out. The patients are
SYNTHETIC: that the numbers agree with the paper tests the software and says nothing about the treatment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vertherm.registry.check import check
from vertherm.registry.database import Registry
from vertherm.registry.importing.importer import import_records
from vertherm.registry.synthetic import generate
from vertherm.review.build import build_review
from vertherm.review.model import Review
from vertherm.review.options import ReviewOptions


@dataclass(frozen=True)
class Outcome:
    """The review, and how many findings the check of the registry had."""

    review: Review
    findings: int


def run(folder: Path, seed: int = 0) -> Outcome:
    """Make a registry in ``folder``, fill it, check it, review it."""
    with Registry.create(f"sqlite:///{folder / 'series.db'}") as registry:
        import_records(registry, generate("khan2018", seed=seed), user="example", why="example")
        findings = len(check(registry).findings)
        frames = registry.frames("khan2018")
    return Outcome(build_review(frames, "khan2018", ReviewOptions(figures=False)), findings)


def main() -> None:
    with TemporaryDirectory() as folder:
        outcome = run(Path(folder))
    print(outcome.review.heading)
    for row in outcome.review.table("abstract").rows:
        print(f"  {row.cells[0].text}: {row.cells[3].text}")
    print(f"  findings of the check: {outcome.findings}")


if __name__ == "__main__":
    main()
