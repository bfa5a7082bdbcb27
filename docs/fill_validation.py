"""Write results of ``vertherm validate --json --figures docs/img/validation`` into docs/validation.md.

fill_validation.py FILE.json ...: several files where groups were run apart (``--only``); the later one wins.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from vertherm.validation.suite import MODULES, STATES

PAGE = Path(__file__).with_name("validation.md")
START, END = "<!-- figures:start -->", "<!-- figures:end -->"
FIGURES = "img/validation"


def page(document: dict[str, Any]) -> str:
    """Markdown of all groups: a table of contents with counts and times, then one section a group."""
    groups = document["groups"]
    parts = [overview(groups, document["counts"])]
    for group in groups:
        parts.append(section(group, [case for case in document["cases"] if case["group"] == group["name"]]))
    return "\n\n".join(parts)


def overview(groups: list[dict[str, Any]], total: dict[str, int]) -> str:
    """One line a group."""
    lines = ["| group | passed | failed | known | not run | processor time, s |", "|---|---|---|---|---|---|"]
    for group in groups:
        found = group["counts"]
        numbers = " | ".join(str(found[state]) for state in STATES)
        lines.append(f"| [{group['title']}](#{group['name']}) | {numbers} | {group['cpu_s']:.0f} |")
    numbers = " | ".join(f"**{total[state]}**" for state in STATES)
    seconds = sum(group["cpu_s"] for group in groups)
    return "\n".join([*lines, f"| all | {numbers} | **{seconds:.0f}** |"])


def section(group: dict[str, Any], cases: list[dict[str, Any]]) -> str:
    """Evidence, figures and table of one group."""
    lines = [f"### {group['title']} {{#{group['name']}}}", ""]
    for label, key in (
        ("Question", "question"),
        ("Context of use", "context"),
        ("Evidence", "evidence"),
        ("Unknown", "unknown"),
    ):
        lines += [f"**{label}.** {_safe(group[key])}", ""]
    for figure in group["figures"]:
        lines += [f"![{figure['title']}]({FIGURES}/{figure['file']})", "", f"*{_safe(figure['caption'])}*", ""]
    return "\n".join([*lines, table(cases)])


def table(cases: list[dict[str, Any]]) -> str:
    """Markdown table of one group's rows; the name of a case stands once."""
    lines = ["| quantity | expected | got | tolerance | unit | source | result |", "|---|---|---|---|---|---|---|"]
    for name, rows in groupby(cases, key=lambda case: case["case"]):
        lines.append(f"| **{_safe(name)}** | | | | | | |")
        for case in rows:
            result = "pass" if case["pass"] else f"**{case['status']}**"
            if case["known"] and not case["pass"]:
                result += f": {_reason(case)}"
            numbers = [_number(case[key]) for key in ("expected", "got", "tolerance")]
            cells = [case["quantity"], *numbers, case["unit"], case["source"], result]
            lines.append("| " + " | ".join(_safe(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _reason(case: dict[str, Any]) -> str:
    return str(case["known"]).removeprefix("not run: ").removeprefix("known: ")


def _safe(text: str) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of several, groups in the suite's order, and the counts of all."""
    latest = {group["name"]: (group, document) for document in documents for group in document["groups"]}
    found = [latest[name] for name in MODULES if name in latest]
    cases = [case for group, document in found for case in document["cases"] if case["group"] == group["name"]]
    counts = {state: sum(group["counts"][state] for group, _ in found) for state in STATES}
    return {"groups": [group for group, _ in found], "cases": cases, "counts": counts}


def main(arguments: list[str]) -> None:
    """Replace what stands between the two marks of the page."""
    document = merged([json.loads(Path(name).read_text("utf-8")) for name in arguments])
    before, rest = PAGE.read_text("utf-8").split(START)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{page(document)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
