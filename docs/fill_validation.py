"""Write the figures of ``vertherm validate --json`` into docs/validation.md: fill_validation.py FILE.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("validation.md")
START, END = "<!-- figures:start -->", "<!-- figures:end -->"


def table(cases: list[dict[str, Any]]) -> str:
    """Markdown table of validation rows."""
    lines = ["| case | quantity | expected | got | tolerance | unit | result |", "|---|---|---|---|---|---|---|"]
    for case in cases:
        result = "pass" if case["pass"] else case["known"] or "**fail**"
        cells = [case["case"], case["quantity"], *(_number(case[key]) for key in ("expected", "got", "tolerance"))]
        lines.append("| " + " | ".join(str(c).replace("|", "\\|") for c in [*cells, case["unit"], result]) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def main(arguments: list[str]) -> None:
    """Replace what stands between the two marks of the page."""
    cases = json.loads(Path(arguments[0]).read_text("utf-8"))["cases"]
    before, rest = PAGE.read_text("utf-8").split(START)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{table(cases)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
