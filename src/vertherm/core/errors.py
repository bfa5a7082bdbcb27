"""Errors that say what, where, got, expected and what to do."""

from __future__ import annotations


class VerthermError(Exception):
    """Base of every error that Vertherm raises on purpose.

    Args:
        what: one sentence naming what went wrong.
        where: file, field, structure or step it happened in.
        got: what was found.
        expected: what would have been right.
        advice: what the user can do about it.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: str = "", got: object = "", expected: object = "", advice: str = ""
    ) -> None:
        self.what, self.where, self.advice = what, where, advice
        self.got, self.expected = str(got), str(expected)
        super().__init__(self.text())

    def text(self) -> str:
        """The message, one labelled line per known part."""
        parts = (("where", self.where), ("got", self.got), ("expected", self.expected), ("do this", self.advice))
        return "\n".join([self.what, *(f"  {name}: {value}" for name, value in parts if value)])

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (variants run in a pool); the keyword arguments must survive pickling.
        return (_rebuild, (type(self), self.what, self.where, self.got, self.expected, self.advice))


def _rebuild(cls: type[VerthermError], what: str, where: str, got: str, expected: str, advice: str) -> VerthermError:
    return cls(what, where=where, got=got, expected=expected, advice=advice)


class InputError(VerthermError):
    """The input is wrong: exit status 2."""

    exit_code = 2


class MissingValueError(InputError):
    """A constant or parameter is needed and nobody supplied it: never replaced by a silent default."""


class SolverError(VerthermError):
    """A solver left its range of validity (non-finite field, no convergence)."""
