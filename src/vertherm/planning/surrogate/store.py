"""A surrogate as one npz file: arrays as they are, all else in a JSON header; nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.geometry.volume import Grid
from vertherm.planning.surrogate.correction import Correction
from vertherm.planning.surrogate.response import Response
from vertherm.planning.surrogate.sites import Sites, TargetSites
from vertherm.planning.surrogate.surrogate import Surrogate, Variant

FORMAT, VERSION = "vertherm surrogate", 1
Arrays = dict[str, NDArray[Any]]
PLAIN = ("structures", "targets", "places", "samples", "failed", "quantity", "level", "power_w", "longest_s")
CORRECTION = ("powers_w", "times_s", "heating", "offs_s", "tail")
RESPONSE = ("times_s", "per_w", "without", "base", "damage", "model")


def save(surrogate: Surrogate, path: Path) -> None:
    """Write ``surrogate``; corrections that several variants share are written once."""
    arrays: Arrays = {"grid/affine": surrogate.grid.affine}
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(surrogate, name) for name in PLAIN},
    }
    header |= {"statistics": surrogate.statistics, "notes": surrogate.notes}
    header["grid"] = {"shape": surrogate.grid.shape, "frame": surrogate.grid.frame}
    header["variants"] = []
    seen: set[str] = set()
    for number, variant in enumerate(surrogate.variants):
        row: dict[str, Any] = {"label": variant.label}
        for reading in ("safety", "coverage"):
            response: Response = getattr(variant, reading)
            row[reading] = _put_response(arrays, f"{number}/{reading}", response)
            if response.key not in seen:
                seen.add(response.key)
                for place, found in enumerate(response.corrections):
                    arrays |= {f"ratio/{response.key}/{place}/{n}": getattr(found, n) for n in CORRECTION}
        header["variants"].append(row)
    if surrogate.anchor is not None:
        arrays["anchor"] = surrogate.anchor
    arrays["header"] = np.array(json.dumps(header))
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _put_response(arrays: Arrays, prefix: str, response: Response) -> dict[str, Any]:
    arrays |= {f"{prefix}/{name}": getattr(response, name) for name in RESPONSE}
    sites = response.sites
    arrays[f"{prefix}/cells"] = sites.cells
    for n, where in enumerate(sites.structures.values()):
        arrays[f"{prefix}/structure {n}"] = where
    for n, (where, weights) in enumerate(sites.sensors.values()):
        arrays[f"{prefix}/sensor {n}"], arrays[f"{prefix}/sensor {n} weights"] = where, weights
    for n, target in enumerate(sites.targets.values()):
        arrays |= {f"{prefix}/target {n} {a}": getattr(target, a) for a in ("where", "distance_mm", "edges")}
    return {
        "body_c": response.body_c, "drive": response.drive, "key": response.key,
        "structures": list(sites.structures), "sensors": list(sites.sensors),
        "targets": {name: [t.margin_mm, t.reach_mm] for name, t in sites.targets.items()},
    }  # fmt: skip


def load(path: Path) -> Surrogate:
    """Read what :func:`save` wrote.

    Raises:
        InputError: no such file, or one of another kind or version.
    """
    if not path.is_file():
        raise InputError("There is no such file.", where=str(path))
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: Arrays = {name: stored[name] for name in stored.files}
        header = json.loads(str(arrays["header"]))
    except (ValueError, KeyError, OSError) as error:
        raise InputError("This is no fast model.", where=str(path), got=str(error)) from None
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        got = f"{header.get('format')} {header.get('version')}"
        raise InputError("This fast model is of another version.", where=str(path), got=got, expected=str(VERSION))
    ratios: dict[str, tuple[Correction, ...]] = {}
    plain = {name: _tuples(header[name]) for name in PLAIN}
    for row in header["variants"]:
        for reading in ("safety", "coverage"):
            key = row[reading]["key"]
            ratios.setdefault(key, _corrections(arrays, key, len(plain["places"])))
    variants = tuple(
        Variant(
            row["label"],
            *(_response(arrays, f"{n}/{r}", row[r], ratios[row[r]["key"]]) for r in ("safety", "coverage")),
        )
        for n, row in enumerate(header["variants"])
    )
    grid = Grid(_tuples(header["grid"]["shape"]), arrays["grid/affine"], header["grid"]["frame"])
    return Surrogate(
        **plain,
        variants=variants,
        grid=grid,
        statistics=header["statistics"],
        notes=_tuples(header["notes"]),
        anchor=arrays.get("anchor"),
    )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _corrections(arrays: Arrays, key: str, places: int) -> tuple[Correction, ...]:
    return tuple(Correction(**{n: arrays[f"ratio/{key}/{p}/{n}"] for n in CORRECTION}) for p in range(places))


def _response(arrays: Arrays, prefix: str, row: dict[str, Any], ratios: tuple[Correction, ...]) -> Response:
    structures = {name: arrays[f"{prefix}/structure {n}"] for n, name in enumerate(row["structures"])}
    sensors = {
        name: (arrays[f"{prefix}/sensor {n}"], arrays[f"{prefix}/sensor {n} weights"])
        for n, name in enumerate(row["sensors"])
    }
    targets = {
        name: TargetSites(
            where=arrays[f"{prefix}/target {n} where"],
            distance_mm=arrays[f"{prefix}/target {n} distance_mm"],
            edges=arrays[f"{prefix}/target {n} edges"],
            margin_mm=margin,
            reach_mm=reach,
        )
        for n, (name, (margin, reach)) in enumerate(row["targets"].items())
    }
    sites = Sites(arrays[f"{prefix}/cells"], structures, targets, sensors)
    stored = {name: arrays[f"{prefix}/{name}"] for name in RESPONSE}
    return Response(sites=sites, body_c=row["body_c"], drive=row["drive"], key=row["key"], corrections=ratios, **stored)
