"""Choices of a review; every one of them is printed with it."""

from __future__ import annotations

from dataclasses import dataclass

from vertherm.core.errors import InputError


@dataclass(frozen=True)
class ReviewOptions:
    """What a reader may choose.

    Args:
        level: confidence level of all intervals.
        seed: seed of the bootstrap and of the samples shown in individual plots.
        mcid_points: fall of the VAS that counts as a response, in points of 0-10.
        death_days: deaths up to this day after day 0 are counted as early deaths.
        small_group: groups with fewer patients (or lesions) than this are marked.
        swimmers: most patients in the swimmer plot.
        trajectories: most patients drawn one by one in the pain trajectories.
        figures: draw the figures.
        data_sha256: hash of the reviewed data, as ``Records.sha256`` gives it; computed from the frames where empty.
        freeze: the data freeze that was reviewed, empty where there was none.
        created_utc: time stamp to print, now where empty.

    Raises:
        InputError: a value outside its range.
    """

    level: float = 0.95
    seed: int = 0
    mcid_points: float = 2.0
    death_days: int = 183
    small_group: int = 10
    swimmers: int = 100
    trajectories: int = 150
    figures: bool = True
    data_sha256: str = ""
    freeze: str = ""
    created_utc: str = ""

    def __post_init__(self) -> None:
        for name, good, expected in (
            ("level", 0.5 <= self.level < 1.0, "0.5 to below 1"),
            ("mcid_points", 0.0 < self.mcid_points <= 10.0, "above 0 to 10"),
            ("death_days", self.death_days > 0, "a positive number of days"),
            ("small_group", self.small_group >= 0, "0 or more"),
            ("swimmers", self.swimmers >= 1, "1 or more"),
            ("trajectories", self.trajectories >= 1, "1 or more"),
        ):
            if not good:
                raise InputError(
                    "An option of the review is out of range.", where=name, got=getattr(self, name), expected=expected
                )

    @property
    def percent(self) -> str:
        """The confidence level as text, "95 %"."""
        return f"{100 * self.level:g} %"
