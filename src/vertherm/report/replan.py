"""The page of a re-plan: what to do, the two plans compared, structures and targets at the real place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.files import atomic_path
from vertherm.report.environment import environment

if TYPE_CHECKING:
    from vertherm.planning.replan.replan import Replan


def write_replan_page(result: Replan, path: Path) -> None:
    """Write ``replan.html``: one file, no script, no request to anywhere.

    Args:
        result: of :func:`vertherm.planning.replan.replan.replan`.
        path: the file to write; replaced atomically.

    Raises:
        InputError: the file cannot be written.
    """
    template = environment().get_template("replan.html.j2")
    page = template.render(d=result.document, comparison=result.comparison, improved=result.improved)
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(page, "utf-8")
