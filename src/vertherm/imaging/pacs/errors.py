"""What can go wrong with an archive. No message holds a token, a password or a patient's name."""

from __future__ import annotations

from vertherm.core.errors import VerthermError


class ArchiveError(VerthermError):
    """The archive cannot be reached, refuses, or answers wrongly; asking again would not help.

    Attributes:
        status: HTTP status, 0 where there was none.
    """

    status: int = 0


class TransientError(ArchiveError):
    """A time-out, a lost connection or an overload: what is safe to repeat may be tried again.

    Attributes:
        pause_s: seconds that the archive asked to wait for, 0 where it said nothing.
    """

    pause_s: float = 0.0
