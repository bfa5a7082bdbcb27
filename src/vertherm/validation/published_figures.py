"""Figures of the published experiments (SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vertherm.core.files import atomic_path
from vertherm.validation.published_he2010 import AXES, START_C, Study

COLOURS = {30.0: "#4477aa", 40.0: "#228833", 50.0: "#cc8800", 60.0: "#bb3355"}


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl

    # No date and fixed ids: the same numbers give the same file.
    with mpl.rc_context({"svg.hashsalt": "vertherm"}), atomic_path(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None} if path.suffix == ".svg" else None)


def he2010_scatter(studies: Sequence[Study], path: Path) -> None:
    """Predicted against measured, one panel an axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    for axis, name in enumerate(AXES):
        axes = figure.add_subplot(1, 2, axis + 1)
        ends = np.array([10.0, 50.0] if axis == 0 else [20.0, 75.0])
        axes.fill_between(ends, ends - 5, ends + 5, color="#888888", alpha=0.2, lw=0)
        axes.plot(ends, ends, color="#888888", lw=0.8)
        for one, colour in zip(studies, ("#bb3355", "#4477aa"), strict=False):
            _points(axes, one, axis, colour)
        axes.set_xlabel(f"measured {name}, mm")
        axes.set_ylabel(f"predicted {name}, mm")
        axes.set_aspect("equal")
    figure.axes[0].legend(fontsize=7)
    _save(figure, path)


def _points(axes: Any, one: Study, axis: int, colour: str) -> None:
    measured, predicted = one.measured_mm[:, axis], one.predicted_mm[:, axis]
    fitted = np.array([row.fitted and axis == 0 for row in one.rows])
    for model in START_C:
        use = np.array([row.model == model for row in one.rows]) & ~fitted
        face = colour if model.startswith("ex vivo") else "none"
        words = f"{one.kind}, {model[:7]}"
        axes.scatter(measured[use], predicted[use], s=22, marker="o", facecolors=face, edgecolors=colour, label=words)
    if fitted.any():
        axes.scatter(measured[fitted], predicted[fitted], s=22, marker="x", color=colour, label=f"{one.kind}, fitted")


def he2010_over_time(studies: Sequence[Study], path: Path) -> None:
    """Short axis over time: one row an antenna kind, one column a model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.5), layout="constrained")
    for n, one in enumerate(studies):
        for m, model in enumerate(START_C):
            axes = figure.add_subplot(len(studies), 2, 2 * n + m + 1)
            _courses(axes, one, model)
            axes.set_title(f"{one.kind}, {model}", fontsize=9)
            axes.set_xlabel("time, min")
            axes.set_ylabel("short axis, mm")
            axes.set_xlim(0, 21)
            axes.set_ylim(0, 55)
    figure.axes[1].legend(fontsize=7, ncols=2)
    _save(figure, path)


def _courses(axes: Any, one: Study, model: str) -> None:
    for power, colour in COLOURS.items():
        use = [n for n, row in enumerate(one.rows) if row.model == model and row.power_w == power]
        if not use:
            continue
        minutes = [one.rows[n].time_s / 60.0 for n in use]
        axes.plot(minutes, one.measured_mm[use, 0], "o", ms=4, color=colour, label=f"{power:g} W")
        axes.plot(minutes, one.predicted_mm[use, 0], "-", lw=1.2, color=colour)
