"""A straight needle: where it enters, where its tip lies, and coordinates along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Straight needle from ``entry_mm`` (towards the skin) to ``tip_mm``, RAS millimetres, each of shape (3,)."""

    entry_mm: FloatArray
    tip_mm: FloatArray

    def __post_init__(self) -> None:
        for name in ("entry_mm", "tip_mm"):
            point = np.array(getattr(self, name), dtype=np.float64)
            if point.shape != (3,) or not np.isfinite(point).all():
                raise InputError(
                    "A needle point is unusable.", where=name, got=point.tolist(), expected="three finite mm"
                )
            point.setflags(write=False)
            object.__setattr__(self, name, point)
        if self.length_mm < 1.0:
            raise InputError(
                "Entry and tip of a needle coincide.", got=f"{self.length_mm:.2f} mm", expected=">= 1 mm apart"
            )

    @property
    def length_mm(self) -> float:
        """Distance from entry to tip."""
        return float(np.linalg.norm(self.entry_mm - self.tip_mm))

    @property
    def axis(self) -> FloatArray:
        """Unit vector from the tip towards the entry: +z of the antenna's own coordinates."""
        return (self.entry_mm - self.tip_mm) / np.linalg.norm(self.entry_mm - self.tip_mm)

    def cylindrical_mm(self, points_mm: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance r from the needle axis and z along it (0 at the tip, positive towards the entry), in mm."""
        offset = np.asarray(points_mm, float) - self.tip_mm
        z = offset @ self.axis
        r = np.linalg.norm(offset - z[..., None] * self.axis, axis=-1)
        return r, z

    def point_mm(self, z_mm: Any) -> FloatArray:
        """RAS points on the axis at ``z_mm`` from the tip towards the entry."""
        return self.tip_mm + np.asarray(z_mm, float)[..., None] * self.axis
