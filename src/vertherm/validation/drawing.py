"""How the figures of the validation page look: one panel or several, labelled axes, the same colours everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REFERENCE, OURS, SECOND, THIRD, FAINT = "#222222", "#c1440e", "#1f6f8b", "#6a4c93", "#9a9a9a"
"""Black-ish for what is compared with, warm for this program, then further series; distinguishable in grey."""
STYLE: Any = {
    "font.size": 9.0,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "vertherm",  # the same figure gives the same file
}


@contextmanager
def panels(path: Path, columns: int = 1, *, width: float = 4.2, height: float = 3.0) -> Iterator[list[Any]]:
    """Axes of a new figure, written to ``path`` (SVG or PNG) at the end.

    Args:
        path: the file; its folder must exist.
        columns: panels side by side.
        width, height: of one panel in inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height), layout="constrained")
        yield [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
        options: dict[str, Any] = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 150}
        figure.savefig(path, **options)
