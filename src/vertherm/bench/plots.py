"""Drawing of the recorded benchmark rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vertherm.bench.work_precision import GOALS_K, OURS, front

Row = dict[str, Any]
STYLE = {
    OURS: ("#0b6e99", "o", "Vertherm"),
    "ngsolve": ("#b3541e", "s", "NGSolve"),
    "c_openmp": ("#5b5b5b", "^", "plain C, explicit"),
    "scikit-fem": ("#6a8d3f", "D", "scikit-fem"),
    "babelviscofdtd": ("#8a4f9e", "v", "BabelViscoFDTD"),
}
TITLES = {"homogeneous": "Homogeneous, closed form", "vertebra": "Vertebra with perfusion shut-down"}


def work_precision(rows: Sequence[Row], path: Path) -> None:
    """Error against total time (all threads) and against processor time (one thread), for both problems, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = [row for row in rows if "error_k" in row]
    most = max(row["threads"] for row in found)
    figure, axes = plt.subplots(2, 2, figsize=(11, 8.5), sharex="col", layout="constrained")
    for column, problem in enumerate(("homogeneous", "vertebra")):
        for line, (threads, quantity, label) in enumerate(
            (
                (most, "value", f"total time, {most} thread{'s' if most > 1 else ''} / s"),
                (1, "cpu_s", "processor time, 1 thread / s"),
            )
        ):
            chosen = [r for r in found if r["problem"] == problem and r["threads"] == threads]
            _panel(axes[line, column], chosen, quantity)
            axes[line, column].set_ylabel(label)
        axes[0, column].set_title(TITLES[problem])
        axes[1, column].set_xlabel("largest error over probes and times / K")
    handles: dict[str, Any] = {}
    for one in axes.flat:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axes: Any, rows: Sequence[Row], quantity: str) -> None:
    for who, (colour, marker, label) in STYLE.items():
        mine = [row for row in rows if row["who"] == who]
        if not mine:
            continue
        axes.plot([r["error_k"] for r in mine], [r[quantity] for r in mine], marker, color=colour, label=label)
        points = front(mine, quantity)
        axes.plot([p[0] for p in points], [p[1] for p in points], "-", color=colour, alpha=0.6)
    for goal in GOALS_K:
        axes.axvline(goal, color="black", lw=0.8, ls=":")
        axes.annotate(f"{goal} K", (goal, 1.0), xycoords=("data", "axes fraction"), fontsize=8, va="top", rotation=90)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True, which="major", alpha=0.25)
