"""Readings against predicted curves: which variants fit, how much hotter or colder than predicted, and whether at all.

A thermocouple j of variant v is modelled as  T_j(t) = T_0 + s (1 + e_j) dT_vj(t) + noise:

    log s ~ N(0, SCALE_SD)       one factor on every temperature rise of the treatment
    e_j   ~ N(0, tau_j)          the thermocouple does not lie where planned: its whole curve is off
    noise ~ N(0, sd_j)           sensor, and what the model's curve gets wrong in shape

    tau_j = placement_mm (1 / r + 1 / L)     relative gradient of exp(-r / L) / r, the steady state of a point source in
                                             perfused tissue [D]; r: distance to the radiating part of the needle

A curve counts as at most ``CURVE_COUNTS_AS`` independent readings (a wrong model shifts all of it), so a minute of
readings every second does not pretend to be sixty measurements. A variant's curve at a thermocouple comes in two
readings, without and with cooling by vessels and rising perfusion; structures keep the cautious one in both, so that
readings which are low because blood cools make no structure look safer. e_j is integrated out in closed form (rank-one
covariance, Sherman and Morrison); s lies on a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertherm.calibration.measurements import CURVE_COUNTS_AS

Array = NDArray[np.float64]
SCALE_SD = 0.3
"""[guess] spread of the factor on temperature rises that the variants do not hold (log scale: 0.3 is 26-35 %)."""
SENSOR_K = 0.5
"""[guess] error of a thermocouple (type T, class 1: 0.5 K [R]) with its read-out."""
SHAPE_SHARE = 0.1
"""[guess] what the model's curve gets wrong in shape, of the largest rise measured."""
PLACEMENT_MM = 1.0
"""[guess] how far a thermocouple may lie from where the check scan shows it."""
DECAY_MM = 10.0
"""[guess] decay length of heat in perfused tissue, sqrt(k / (w rho c)); 5-15 mm for muscle to bone."""
NEAREST_MM = 2.0
"""Thermocouples are taken to lie at least this far from the radiating part."""
MISFIT = 1e-3
"""Probability below which readings are not explained by the model."""
SUPPORT = 0.6
"""[guess] the data support an update where the spread of the logarithm of a thermocouple's true rise falls below this
share of what it was before any reading."""
USEFUL_K = 3.0
"""[guess] a thermocouple informs from this predicted or measured rise on: six times its own error."""
FEW_VARIANTS = 3.0
"""Effective number of variants below which a percentile over them means nothing: then the worst decides."""
HIGH = 0.95
_LOG_SCALE = np.linspace(-2.0, 2.0, 161)


@dataclass(frozen=True, eq=False)
class Evidence:
    """One thermocouple.

    Args:
        name: of the plan.
        rise_k: (m,) measured rise over its start.
        predicted_k: (h, m) predicted rises at the same times, of every variant (in every reading).
        distance_mm: to the radiating part of the nearest needle.
    """

    name: str
    rise_k: Array
    predicted_k: Array
    distance_mm: float

    @property
    def tau(self) -> float:
        """Relative error of the rise by the thermocouple's place."""
        return PLACEMENT_MM * (1.0 / max(self.distance_mm, NEAREST_MM) + 1.0 / DECAY_MM)

    @property
    def sd_k(self) -> float:
        """Error of a reading: sensor, and shape of the model's curve."""
        return float(np.hypot(SENSOR_K, SHAPE_SHARE * np.abs(self.rise_k).max()))

    @property
    def counts(self) -> float:
        """As how many independent readings the curve counts."""
        return float(min(self.rise_k.size, CURVE_COUNTS_AS))

    @property
    def useful(self) -> bool:
        """True where the thermocouple is warm enough, measured or predicted, to say something."""
        return bool(max(self.rise_k.max(), float(self.predicted_k.max())) >= USEFUL_K)

    def misfit(self, scale: Array) -> tuple[Array, Array]:
        """Squared distance and -2 log likelihood, each (n, ns) over variants and scales."""
        m = self.rise_k.size
        variance = self.sd_k**2 * m / self.counts
        uu = (self.predicted_k**2).sum(axis=1)[:, None]
        uy = (self.predicted_k @ self.rise_k)[:, None]
        yy = float(self.rise_k @ self.rise_k)
        ur = uy - scale * uu
        rr = yy - 2.0 * scale * uy + scale**2 * uu
        spread = (scale * self.tau) ** 2
        inner = 1.0 + spread * uu / variance
        squared = rr / variance - spread * ur**2 / (variance**2 * inner)
        return squared, squared + np.log(inner)


@dataclass(frozen=True, eq=False)
class Fit:
    """What the readings say.

    Args:
        weights: (n,) of the variants.
        scale: median of the factor on temperature rises; ``low``, ``high``: its 95 % interval.
        high_of: (n,) 95th percentile of the factor for each variant.
        chi2, counts: squared distance of the best variant and factor, and independent readings behind it.
        p: probability of a larger one if the model holds.
        useful: some thermocouple is warm enough to say something.
        supported: the readings narrow variants and factor enough to be more optimistic than the worst variant.
        effective: effective number of variants, 1 / sum of squared weights.
        drawn: (k, 2) variants (as numbers) and factors with equal weight.
    """

    weights: Array
    scale: float
    low: float
    high: float
    high_of: Array
    chi2: float
    counts: float
    p: float
    useful: bool
    supported: bool
    effective: float
    drawn: Array

    @property
    def grown(self) -> float:
        """The factor where it is above 1 and a thermocouple is warm enough: noise alone must not change a plan."""
        return max(1.0, self.scale) if self.useful else 1.0

    @property
    def explained(self) -> bool:
        """False where no variant and no plausible factor comes near the readings."""
        return self.p >= MISFIT


def fit(evidence: Sequence[Evidence], variants: int, readings: int = 1, draws: int = 200) -> Fit:
    """Weigh the variants and the factor on temperature rises by all thermocouples.

    Args:
        evidence: one entry a thermocouple; several count as independent of each other.
        variants: number of variants.
        readings: curves predicted for each of them, one block after the other (with and without cooling by vessels).
        draws: of equal weight, for percentiles over variants and factor together.
    """
    from scipy.stats import chi2 as chi2_distribution

    scale = np.exp(_LOG_SCALE)
    prior = (_LOG_SCALE / SCALE_SD) ** 2
    squared = np.tile(prior, (variants * readings, 1))
    minus2 = squared.copy()
    for item in evidence:
        apart, likelihood = item.misfit(scale)
        squared += apart
        minus2 += likelihood
    joint = np.exp(-0.5 * (minus2 - minus2.min()))
    joint /= joint.sum()
    of_scale = joint.sum(axis=0)
    weights = joint.sum(axis=1).reshape(readings, variants).sum(axis=0)
    counts = sum(item.counts for item in evidence)
    distance = float(squared.min())
    p = float(chi2_distribution.sf(distance, counts)) if counts else 1.0
    return Fit(
        weights=weights,
        scale=float(np.exp(_quantile(of_scale, 0.5))),
        low=float(np.exp(_quantile(of_scale, 0.025))),
        high=float(np.exp(_quantile(of_scale, 0.975))),
        high_of=_high_of(joint.reshape(readings, variants, -1).sum(axis=0)),
        chi2=distance,
        counts=counts,
        p=p,
        useful=any(item.useful for item in evidence),
        supported=p >= MISFIT and any(item.useful and _narrowing(item, joint) <= SUPPORT for item in evidence),
        effective=float(1.0 / (weights**2).sum()),
        drawn=_draws(joint.reshape(readings, variants, -1).sum(axis=0), scale, draws),
    )


def _high_of(joint: Array) -> Array:
    """95th percentile of the factor for each variant; 0 where the readings exclude it."""
    return np.exp(np.array([_quantile(row / row.sum(), HIGH) if row.sum() > 0 else -np.inf for row in joint]))


def _narrowing(item: Evidence, joint: Array) -> float:
    """Spread of the logarithm of a thermocouple's true rise, s dT_v, after the readings over that before them."""
    level = np.log(np.maximum(item.predicted_k.max(axis=1), 1e-3))[:, None] + _LOG_SCALE
    prior = np.tile(np.exp(-0.5 * (_LOG_SCALE / SCALE_SD) ** 2), (joint.shape[0], 1))
    return _spread(level, joint) / _spread(level, prior / prior.sum())


def _spread(values: Array, weights: Array) -> float:
    mean = float((weights * values).sum())
    return float(np.sqrt((weights * (values - mean) ** 2).sum()))


def _quantile(weights: Array, share: float) -> float:
    """Quantile of the log factor, linear between grid points."""
    total = np.cumsum(weights)
    return float(np.interp(share, total - 0.5 * weights, _LOG_SCALE))


def _draws(joint: Array, scale: Array, count: int) -> Array:
    """Systematic draws (no randomness): the middle of each of ``count`` equal shares of the probability."""
    total = np.cumsum(joint.ravel())
    flat = np.searchsorted(total, (np.arange(count) + 0.5) / count * total[-1])
    variant, place = np.unravel_index(np.minimum(flat, joint.size - 1), joint.shape)
    return np.stack([variant.astype(float), scale[place]], axis=1)


def deciding(fit: Fit, curves: Mapping[str, Array], informed: Mapping[str, bool]) -> dict[str, Array]:
    """The rise of every structure that decides, (nt,) each, K.

    The rule, from cautious to confident:

    - readings do not support an update yet, or no thermocouple informs the structure: the worst variant as planned,
      times the estimated factor where that is above 1 and some thermocouple has warmed;
    - supported, but few variants are left: the worst of those left, each with the 95th percentile of its own factor;
    - supported: the 95th percentile over variants and factor together.
    """
    found = {}
    numbers, factors = fit.drawn[:, 0].astype(int), fit.drawn[:, 1]
    left = fit.weights >= 0.01 / fit.weights.size
    for name, rise in curves.items():
        if not (fit.supported and informed.get(name, False)):
            found[name] = fit.grown * rise.max(axis=0)
        elif fit.effective < FEW_VARIANTS:
            found[name] = (fit.high_of[left, None] * rise[left]).max(axis=0)
        else:
            samples = factors[:, None] * rise[numbers]
            found[name] = np.percentile(samples, 100.0 * HIGH, axis=0, method="higher")
    return found


def expected(fit: Fit, curves: Mapping[str, Array], sampled: bool) -> dict[str, Array]:
    """The best estimate of the rise of every structure, (nt,) each, K; not what decides.

    Samples are drawn around the nominal patient: their weighted mean. Standard members are extreme choices that
    readings hardly tell apart: the nominal patient times the estimated factor.
    """
    if not sampled:
        return {name: fit.scale * rise[0] for name, rise in curves.items()}
    numbers, factors = fit.drawn[:, 0].astype(int), fit.drawn[:, 1]
    return {name: (factors[:, None] * rise[numbers]).mean(axis=0) for name, rise in curves.items()}
