"""Scales a surrogate to one finer run of the nominal patient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertherm.geometry.volume import Volume
from vertherm.planning.surrogate.dose import Dose
from vertherm.planning.surrogate.response import Response, moments, step_weights

if TYPE_CHECKING:
    from vertherm.planning.surrogate.surrogate import Surrogate

SMALLEST, LARGEST = 0.4, 1.6
"""A finer run that differs by more is one of something else."""
COUNTED_K = 0.5
"""Rises below this are left as they are."""


def anchored(surrogate: Surrogate, dose: Dose, peak_c: Volume) -> Surrogate:
    """See :meth:`vertherm.planning.surrogate.surrogate.Surrogate.anchored`."""
    nominal = surrogate.variants[0]
    size = 1 + max(int(r.base.max(initial=-1)) for v in surrogate.variants for r in (v.safety, v.coverage))
    factor = np.ones(size, np.float32)
    for response in (nominal.safety, nominal.coverage):
        factor[response.base] = _factor(surrogate, response, dose, peak_c)
    variants, members = (
        tuple(replace(v, safety=_scaled(v.safety, factor), coverage=_scaled(v.coverage, factor)) for v in kind)
        for kind in (surrogate.variants, surrogate.members)
    )
    note = "Scaled to a finer run of the nominal patient."
    before = surrogate.anchor if surrogate.anchor is not None else np.ones((len(surrogate.places), 1), np.float32)
    notes = tuple(dict.fromkeys([*surrogate.notes, note]))
    return replace(surrogate, variants=variants, members=members, anchor=before * factor, notes=notes)


def _factor(surrogate: Surrogate, response: Response, dose: Dose, peak_c: Volume) -> NDArray[np.float32]:
    """Finer over fast peak rise of a response's cells, both above what they would be without power at that instant."""
    grid, at = surrogate.grid, moments(dose)
    points = grid.world(np.stack(np.unravel_index(response.sites.cells, grid.shape), axis=-1))
    course = response.temperature_c(dose, at) - np.float32(response.body_c)
    hottest = course.argmax(axis=0)
    cells = np.arange(hottest.size)
    without = (step_weights(response.times_s, at) @ response.without[dose.pulses[0].place])[hottest, cells]
    fast = course[hottest, cells] - without
    fine = peak_c.sample(points, outside=np.nan) - response.body_c - without
    known = np.isfinite(fine) & (fast > COUNTED_K) & (fine > COUNTED_K)
    found = np.ones(fast.size)
    found[known] = np.clip(fine[known] / fast[known], SMALLEST, LARGEST)
    return found.astype(np.float32)


def _scaled(response: Response, factor: NDArray[np.float32]) -> Response:
    return replace(response, per_w=response.per_w * factor[response.base])
