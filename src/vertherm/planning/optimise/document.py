"""The case file with the chosen treatment, so that ``vertherm simulate`` predicts what the plan says."""

from __future__ import annotations

import json
from typing import Any

from vertherm.planning.case import Applicator, CaseFile
from vertherm.planning.plan import PlacedRow, Plan

HEAD = "# {status}. Antennas and schedule are those of the plan; the rest is the case as it was planned."


def case_with_treatment(entry: CaseFile, plan: Plan) -> str:
    """The case as TOML with the plan's antennas and schedule. Paths are as in ``entry``: absolute once it was loaded.

    The samples and the full wave of a verified plan are asked for again; a provisional plan's case is predicted with
    all standard members.

    Raises:
        ValueError: the plan has no treatment.
    """
    if not plan.applicators or not plan.activations:
        raise ValueError(f"no treatment in a plan with the status {plan.status!r}")
    document = entry.model_dump(mode="json", exclude_defaults=True, exclude={"applicators", "schedule"})
    document["applicators"] = [_applicator(entry, row) for row in plan.applicators]
    document["schedule"] = {
        "power_kind": plan.power_kind,
        "activations": [
            {"applicators": [a.antenna], "power_w": a.power_w, "time_s": a.time_s, "pause_s": a.pause_s}
            for a in plan.activations
        ],
    }
    document["numerics"] = {**document.get("numerics", {}), **plan.provenance.get("parameters", {}).get("numerics", {})}
    return HEAD.format(status=plan.status.upper()) + "\n" + toml(document)


def _applicator(entry: CaseFile, row: PlacedRow) -> dict[str, Any]:
    chosen = entry.plan
    applicator = Applicator(
        name=row.name,
        model=row.antenna,
        entry=row.entry_ras_mm,
        tip=row.tip_ras_mm,
        frame="RAS",
        frequency_mhz=row.frequency_mhz,
        cooled=chosen.cooled,
        calibration=chosen.calibration,
    )
    return applicator.model_dump(mode="json", exclude_none=True, exclude={"phase_deg"})


def toml(document: dict[str, Any]) -> str:
    """Plain data as TOML: values first, then one table a dict, one table each for a list of dicts; None is left out."""
    head = [f"{key} = {_value(v)}" for key, v in document.items() if not _table(v) and v is not None]
    parts = ["\n".join(head)] if head else []
    for key, value in document.items():
        if isinstance(value, dict):
            parts.append("\n".join([f"[{key}]", *_lines(value)]))
        elif _table(value):
            parts += ["\n".join([f"[[{key}]]", *_lines(row)]) for row in value]
    return "\n\n".join(parts) + "\n"


def _table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None]


def _key(key: str) -> str:
    plain = bool(key) and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
    return key if plain else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value)
