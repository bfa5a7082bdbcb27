"""Try again, with growing pauses and an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from vertherm.imaging.pacs.errors import TransientError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Retry:
    """How often and after which pauses something is tried again.

    Args:
        attempts: tries in all, 1 or more.
        pause_s: pause after the first try; it doubles after each further one.
        longest_pause_s: no pause is longer, whatever the archive asks for.
        sleep: waits that many seconds.
    """

    attempts: int = 4
    pause_s: float = 0.5
    longest_pause_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, tried: int, error: TransientError) -> None:
        """Wait after try number ``tried`` (1, 2, ...) failed with ``error``."""
        asked = max(self.pause_s * 2 ** (tried - 1), error.pause_s)
        self.sleep(min(asked, self.longest_pause_s))

    def __call__(self, work: Callable[[], Result]) -> Result:
        """The result of ``work``, which must be safe to repeat.

        Raises:
            TransientError: the last try failed too.
            ArchiveError: at once where asking again would not help.
        """
        for tried in range(1, self.attempts):
            try:
                return work()
            except TransientError as error:
                self.pause(tried, error)
        return work()
