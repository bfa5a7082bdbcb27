"""Whether it is the same bone: what a rigid motion leaves over, in shape and in intensity."""

from __future__ import annotations

import numpy as np

from vertherm.followup.registration_refine import Fit, correlation
from vertherm.geometry.volume import FloatArray

BLOCK_MM = 10.0
CHANGED_SHARE = 0.25
"""Of a vertebra that may have changed (treated zone, lesion) while the rest must agree."""


def agreement(fit: Fit) -> float:
    """Correlation of both images over all but the quarter of the vertebra, in blocks, that agrees least.

    A treated zone or a lesion that grew spoils some blocks; another vertebra, or a mirrored one, differs everywhere.
    """
    if fit.used.sum() < 2:
        return 0.0
    _, block = np.unique(np.floor(fit.points / BLOCK_MM).astype(int), axis=0, return_inverse=True)
    held = np.bincount(block.ravel(), fit.used)
    unlike = np.bincount(block.ravel(), fit.used * fit.residual**2) / np.maximum(held, 1.0)
    order = np.argsort(-unlike)
    spoilt = order[np.cumsum(held[order]) <= CHANGED_SHARE * held.sum()]
    kept = fit.used & ~np.isin(block.ravel(), spoilt)
    if fit.gain < 0.0:
        return 0.0
    return correlation(fit.expected[kept], (fit.expected + fit.residual)[kept])


def strain(fit: Fit) -> FloatArray:
    """Principal strains, (3,), that the follow-up shows against the planning scan: 0.1 is a tenth longer.

    One linear step from the rigid fit with six strains added. Wrong voxel sizes, a tilted gantry, a collapsed vertebra
    or another one show here, where they would hide in a rigid fit.
    """
    slope, arm = -fit.rows[:, :3], fit.points - fit.motion.centre_mm
    pairs = [(a, b) for a in range(3) for b in range(a, 3)]
    extra = np.column_stack([slope[:, a] * arm[:, b] + (slope[:, b] * arm[:, a] if a != b else 0.0) for a, b in pairs])
    rows = np.column_stack([fit.rows, -extra])
    weighted = rows * fit.weight[:, None]
    normal = weighted.T @ rows
    normal += np.diag(np.diag(normal) * 1e-6 + 1e-12)
    found = np.linalg.solve(normal, weighted.T @ fit.residual)[-6:]
    tensor = np.zeros((3, 3))
    for (a, b), value in zip(pairs, found, strict=True):
        tensor[a, b] = tensor[b, a] = value
    return np.asarray(np.linalg.eigvalsh(tensor), float)
