"""SYNTHETIC series of any size with every kind of record: deaths, gaps, re-treatments, complications. No evidence.

Prior radiotherapy truly halves the subdistribution hazard of locoregional progression (drawn from the Fine-Gray model),
so that an analysis has something to find.
"""

from __future__ import annotations

from vertherm.registry.synthetic.stress.series import make

__all__ = ["make"]
