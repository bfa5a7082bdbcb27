"""Rigid motions: a turn and a shift about a centre, and what a small one does to points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertherm.core.errors import InputError
from vertherm.geometry.volume import FloatArray


@dataclass(frozen=True, eq=False)
class Rigid:
    """x -> turn (x - centre) + centre + shift, millimetres RAS.

    Args:
        turn: (3, 3) rotation.
        shift_mm: (3,) what the centre moves by.
        centre_mm: (3,) that it turns about.
    """

    turn: FloatArray
    shift_mm: FloatArray
    centre_mm: FloatArray

    @staticmethod
    def of(matrix: FloatArray, centre_mm: FloatArray) -> Rigid:
        """From (4, 4).

        Raises:
            InputError: not a turn and a shift.
        """
        matrix = np.asarray(matrix, float)
        turn = matrix[:3, :3]
        if matrix.shape != (4, 4) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4) or np.linalg.det(turn) < 0:
            raise InputError(
                "A transform between two scans must be rigid.", got=matrix.tolist(), expected="4x4, a turn and a shift"
            )
        return Rigid(turn, turn @ centre_mm + matrix[:3, 3] - centre_mm, np.asarray(centre_mm, float))

    @property
    def matrix(self) -> FloatArray:
        """(4, 4)."""
        out = np.eye(4)
        out[:3, :3] = self.turn
        out[:3, 3] = self.centre_mm + self.shift_mm - self.turn @ self.centre_mm
        return out

    @property
    def angle_deg(self) -> float:
        """How far it turns."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.turn) - 1.0) / 2.0, -1.0, 1.0))))

    def __call__(self, points_mm: FloatArray) -> FloatArray:
        """Where (n, 3) points go."""
        return (points_mm - self.centre_mm) @ self.turn.T + self.centre_mm + self.shift_mm

    def moved(self, small: FloatArray) -> Rigid:
        """This motion after a small one: (6,) shift in mm and rotation vector in radians about the centre."""
        return Rigid(self.turn @ rotation(small[3:6]), self.shift_mm + self.turn @ small[:3], self.centre_mm)

    def distance_mm(self, other: Rigid, radius_mm: float = 30.0) -> float:
        """Root mean square over the ball around the centre of how far apart two motions put a point."""
        apart = self.turn - other.turn
        shift = float(((self.shift_mm - other.shift_mm) ** 2).sum())
        return float(np.sqrt(shift + (apart**2).sum() * radius_mm**2 / 5.0))


def rotation(vector: FloatArray) -> FloatArray:
    """(3, 3) of a rotation vector in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    cross = np.array([[0, -vector[2], vector[1]], [vector[2], 0, -vector[0]], [-vector[1], vector[0], 0]])
    if angle < 1e-12:
        return np.asarray(np.eye(3) + cross)
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross)
