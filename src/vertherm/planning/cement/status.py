"""What a cement prediction amounts to: green, warn, stop, or not assessed."""

from __future__ import annotations

from collections.abc import Sequence

from vertherm.planning.assessment import Status
from vertherm.planning.cement.document import NEURAL_SITES, TargetCement
from vertherm.planning.limits import worst


def target_status(row: TargetCement, *, unclear: bool) -> Status:
    """Of one target: leakage beside nerves stops, leakage elsewhere and broken stop rules warn, heat as it says.

    Args:
        unclear: the canal is not known, the vertebra is cut by the image's edge, or metal lies beside it.
    """
    found: list[Status] = ["not assessed"] if unclear else []
    found += ["stop" if needle.crosses_nerves else "warn" for needle in row.needles if needle.crosses]
    if row.source == "measured":
        leaks = [site.site for site in row.sites if site.probability.estimate > 0]
        found += ["stop" if site in NEURAL_SITES else "warn" for site in leaks]
    elif row.safe is not None:
        for site in row.sites:
            beyond_limit = site.probability.high > row.safe.limits.get(site.site, 1.0)
            if beyond_limit and not row.safe.enough and site.probability.estimate == 0.0:
                found.append("not assessed")
            elif beyond_limit:
                found.append("stop" if site.site in NEURAL_SITES else "warn")
        beyond = [s for s in row.stops if s.volume_ml is not None and s.volume_ml < row.fill.injected_ml - 1e-6]
        found += ["warn" for stop in beyond if stop.rule != "leakage"]
    if row.curing is not None:
        found += [structure.status for structure in row.curing.structures]
    return worst(found)


def status_words(status: Status, rows: Sequence[TargetCement]) -> str:
    """The verdict in a sentence."""
    volumes = ", ".join(f"{row.fill.injected_ml:.1f} ml in {row.target}" for row in rows)
    heat = "" if all(row.curing is not None for row in rows) else " Heat was not computed for every target."
    return {
        "green": f"{volumes}: {_kept(rows)} keep every limit.{heat}",
        "warn": f"{volumes}: a limit that asks for attention is passed; see the rows marked warn.",
        "stop": f"{volumes}: a limit that protects nerves is broken.",
        "not assessed": f"{volumes}: not all that must be known could be judged (see the notes): no clearance.",
    }[status]


def _kept(rows: Sequence[TargetCement]) -> str:
    """What was judged, in words."""
    predicted = any(row.source == "predicted" for row in rows)
    parts = ["leakage", "pressure", "working time"] if predicted else ["the places where cement is seen"]
    if any(row.curing is not None for row in rows):
        parts.append("heat")
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
