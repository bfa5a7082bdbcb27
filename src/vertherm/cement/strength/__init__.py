"""Strength of a vertebral body under axial compression, from a finite element for every voxel."""

from vertherm.cement.strength.compression import Compression, compress
from vertherm.cement.strength.failure import Failure, failure_load, posterior_share
from vertherm.cement.strength.states import State, StateRow, compare, treatment_states

__all__ = [
    "Compression",
    "Failure",
    "State",
    "StateRow",
    "compare",
    "compress",
    "failure_load",
    "posterior_share",
    "treatment_states",
]
