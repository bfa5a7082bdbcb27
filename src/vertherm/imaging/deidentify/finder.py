"""Many strings looked for at once: the time depends on the text, and hardly on how many strings there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import AnyStr, Generic

HEAD = 6


class Finder(Generic[AnyStr]):
    """Finds whether a text, or a stream of bytes, holds one of many strings.

    Args:
        strings: what to look for; those shorter than ``HEAD`` are looked for one by one.
    """

    def __init__(self, strings: Iterable[AnyStr]) -> None:
        self._short: list[AnyStr] = []
        self._long: dict[AnyStr, list[AnyStr]] = {}
        for string in strings:
            if len(string) < HEAD:
                self._short.append(string)
            else:
                self._long.setdefault(string[:HEAD], []).append(string)

    def found(self, text: AnyStr) -> bool:
        """True where the text holds one of the strings."""
        for start in range(len(text) - HEAD + 1):
            for string in self._long.get(text[start : start + HEAD], ()):
                if text.startswith(string, start):
                    return True
        return any(string in text for string in self._short)
