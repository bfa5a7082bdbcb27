"""What a search for paths sees of a patient: solids with their rules, the lesion, the bone around it, the skin."""

from __future__ import annotations

from dataclasses import dataclass

from vertherm.access.rules import ObstacleRule
from vertherm.clinical.levels import Level
from vertherm.geometry.volume import FloatArray, Volume


@dataclass(frozen=True, eq=False)
class Solid:
    """A labelled structure as the union of its voxels (boxes), the exact shape that clearances are measured to.

    Args:
        name, kind: as in the anatomy.
        mask: bool, any grid of the frame.
        rule: how far a needle must stay; None: never an obstacle.
        derived: placed by a rule.
    """

    name: str
    kind: str
    mask: Volume
    rule: ObstacleRule | None
    derived: bool = False

    @property
    def label_error_mm(self) -> float:
        """Half the diagonal of a voxel: how far a label's surface may be off by its resolution alone."""
        return 0.5 * float((self.mask.grid.spacing_mm**2).sum()) ** 0.5


@dataclass(frozen=True, eq=False)
class VertebraFrame:
    """Directions and landmarks of the target's vertebra, RAS mm; derived from body and canal, and marked so.

    Args:
        centre_mm: middle of the vertebral body.
        right, anterior, superior: unit vectors of the vertebra itself (not of the patient).
        canal_mm: middle of the canal at this level.
        posterior_wall_mm: distance from ``centre_mm`` back to the posterior wall along ``anterior`` (negative).
        canal_half_width_mm: half the width of the canal.
    """

    centre_mm: FloatArray
    right: FloatArray
    anterior: FloatArray
    superior: FloatArray
    canal_mm: FloatArray
    posterior_wall_mm: float
    canal_half_width_mm: float


@dataclass(frozen=True, eq=False)
class AccessScene:
    """One lesion and its surroundings.

    Args:
        target: name of the lesion.
        level: its vertebra.
        lesion: bool.
        goal: bool, lesion with the margin that shall be ablated (clipped to nothing); same frame, any grid.
        body: bool, all that is not outside air, on the CT's grid (its edge is the skin, or the image's edge).
        skin_in_image: False where the image holds no skin at all.
        solids: every structure with a rule (obstacles), and those that only count.
        bone: bool, the target's own bone (vertebra, or sacrum) that may be crossed.
        vertebral_body: bool, the body without the arch; None where nothing says.
        ilium: bool, hip bones, crossed by the transiliac approach only; None where not labelled.
        frame: directions of the vertebra; None where body or canal are not known (then no pedicle is told apart).
        not_labelled: wanted and missing.
        notes: what a person must read.
    """

    target: str
    level: Level
    lesion: Volume
    goal: Volume
    body: Volume
    skin_in_image: bool
    solids: tuple[Solid, ...]
    bone: Volume
    vertebral_body: Volume | None
    ilium: Volume | None
    frame: VertebraFrame | None
    not_labelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
