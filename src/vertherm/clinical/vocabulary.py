"""Controlled vocabularies: a code that is stored, a label that is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Term:
    """One entry of a vocabulary.

    Args:
        code: what is stored; lower-case letters, digits and underscores, so that every exchange format takes it.
        label: what a person reads.
        verified: False where the wording was recalled or derived and not read in its source.
        enabled: False for entries that are known to exist but must not be used yet.
    """

    code: str
    label: str
    verified: bool = True
    enabled: bool = True


@dataclass(frozen=True)
class Vocabulary:
    """A named list of terms in their natural order; ``source`` says where the wording comes from."""

    name: str
    terms: tuple[Term, ...]
    source: str = "ours"

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Codes that may be stored."""
        return tuple(term.code for term in self.terms if term.enabled)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Label by code, disabled entries included."""
        return {term.code: term.label for term in self.terms}

    def label(self, code: str | None) -> str:
        """What a person reads for a code; an empty string for None."""
        return "" if code is None else self.labels[code]


def vocabulary(name: str, entries: Iterable[tuple[str, str]], source: str = "ours") -> Vocabulary:
    """A vocabulary of verified, enabled terms from pairs of code and label."""
    return Vocabulary(name, tuple(Term(code, label) for code, label in entries), source)
