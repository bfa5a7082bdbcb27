"""What a cement prediction leaves besides its document: the fields that pictures and files are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vertherm.geometry.trajectory import Trajectory
from vertherm.geometry.volume import Volume
from vertherm.planning.cement.document import CementDocument
from vertherm.planning.objects import Case


@dataclass(frozen=True, eq=False)
class CementFields:
    """Volumes of one target.

    Args:
        target: its name.
        needles: where the cement comes out, by name.
        body: bool, the vertebral body on the cement's grid (isotropic, RAS-aligned).
        lesion: bool, likewise.
        canal: bool, likewise; all False where there is none.
        fill: float32, share of each cell's volume that holds cement in the nominal injection.
        probability: float32, share of the samples in which a cell holds cement; None where the fill was measured.
        arrival_ml: float32, nominal injected volume at which cement reaches a cell; inf: never.
        sites: uint8, 0 inside the bone, else 1 + the place in ``document.SITES``; cells beyond every site are
            paravertebral.
        curing_peak_c: float32 on the heat grid, nominal kinetics, with what the ablation left; None: not computed.
        curing_cem43_min: likewise, dose of both together.
        strain: float32 by state, effective strain at the load at which the body without lesion fails, on the strength's
            own grid, which is turned into the body's directions; empty: not computed.
    """

    target: str
    needles: Mapping[str, Trajectory]
    body: Volume
    lesion: Volume
    canal: Volume
    fill: Volume
    probability: Volume | None
    arrival_ml: Volume | None
    sites: Volume
    curing_peak_c: Volume | None = None
    curing_cem43_min: Volume | None = None
    strain: Mapping[str, Volume] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CementResult:
    """A cement prediction: its document, the patient, and the fields by target."""

    document: CementDocument
    case: Case
    fields: tuple[CementFields, ...]
