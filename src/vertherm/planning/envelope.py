"""What is kept of the members' fields: envelopes and counts, cell by cell, so that memory does not grow with members.

Per cell and whatever the number of members: two float32 a quantity (smallest and largest) and one uint16 a metric (in
how many members the cell lies in the zone): 34 bytes for three quantities and five metrics. Smallest, largest and sum
do not depend on the order in which members arrive, so the result is the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vertherm.planning.protocol import Metric

Fields = Mapping[str, NDArray[np.float32]]
BYTES_PER_CELL = 34


class Envelope:
    """Cell-wise smallest and largest fields of the members that count, and how often each cell lies in each zone.

    Attributes:
        smallest, largest: by quantity ("peak_c", "cem43_min", "omega").
        counts: by metric id.
        members: how many were counted.
        beyond: which of the cells without an image are heated in any member, of every kind.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = tuple(metrics)
        self.smallest: dict[str, NDArray[np.float32]] = {}
        self.largest: dict[str, NDArray[np.float32]] = {}
        self.counts: dict[str, NDArray[np.uint16]] = {}
        self.members = 0
        self.beyond: NDArray[np.bool_] | None = None

    def add(self, fields: Fields, *, count: bool = True) -> None:
        """Take one member into account; ``count`` False widens the envelope only."""
        for name, field in fields.items():
            if name not in self.smallest:
                self.smallest[name], self.largest[name] = field.copy(), field.copy()
            else:
                np.minimum(self.smallest[name], field, out=self.smallest[name])
                np.maximum(self.largest[name], field, out=self.largest[name])
        for metric in self._metrics:
            inside = fields[metric.field] >= metric.level
            if metric.id not in self.counts:
                self.counts[metric.id] = np.zeros(inside.shape, np.uint16)
            if count:
                self.counts[metric.id] += inside
        self.members += count

    def add_beyond(self, heated: NDArray[np.bool_]) -> None:
        """Take into account which of the cells without an image one member heats."""
        self.beyond = heated.copy() if self.beyond is None else self.beyond | heated

    def share(self, metric: str) -> NDArray[np.float32]:
        """Share of the counted members whose zone holds each cell, 0 to 1."""
        return self.counts[metric].astype(np.float32) / np.float32(max(self.members, 1))
