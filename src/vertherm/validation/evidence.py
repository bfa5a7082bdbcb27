"""What a group of validation cases is worth, and the figures it draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Evidence:
    """Credibility of one group of cases, in the order of ASME V&V 40 (2018).

    Args:
        title: heading of the group, e.g. ``"Bioheat: closed forms"``.
        question: the question of interest the group answers.
        context: context of use: where in the program the answer matters, and what hangs on it.
        evidence: what is compared with what, and why the tolerance is what it is.
        unknown: what the group cannot show, and what is not known about its comparators.
    """

    title: str
    question: str
    context: str
    evidence: str
    unknown: str

    def row(self) -> dict[str, str]:
        """The five texts by name."""
        return asdict(self)


@dataclass(frozen=True)
class Figure:
    """One figure of a group.

    Args:
        path: the file written (SVG or PNG).
        title: what it shows, in a few words.
        caption: what the reader sees: axes, units, curves, and what follows from them.
    """

    path: Path
    title: str
    caption: str

    def row(self) -> dict[str, str]:
        """File name (without its folder), title and caption."""
        return {"file": self.path.name, "title": self.title, "caption": self.caption}
