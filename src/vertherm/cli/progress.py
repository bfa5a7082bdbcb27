"""Progress on the terminal, always on stderr so that stdout stays one document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vertherm.core.progress import Progress


@contextmanager
def shown() -> Iterator[Progress]:
    """A progress receiver that draws one bar a step; on a pipe it prints each finished step once."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    finished: set[str] = set()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: str, done: float) -> None:
            if console.is_terminal:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=1.0)
                bars.update(tasks[step], completed=min(done, 1.0))
            elif done >= 1.0 and step not in finished:
                finished.add(step)
                console.print(f"done: {step}", highlight=False)

        yield report
