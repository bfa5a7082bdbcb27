"""A re-plan as a planned case of its own: what `vertherm monitor` watches, and what can be re-planned again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vertherm.core.errors import InputError
from vertherm.core.files import atomic_folder
from vertherm.planning.objects import Treatment
from vertherm.planning.optimise.judge import Judgement
from vertherm.planning.plan import CoverageRow, LimitRow, Plan
from vertherm.planning.state.document import places_document
from vertherm.planning.state.parts import CARRIED, REPLANNED
from vertherm.planning.state.state import FOLDER, VOLUMES, State, write_state

if TYPE_CHECKING:
    from vertherm.planning.replan.replan import Replan

KEPT = ("case.json", "protocol.json", "entry.json", VOLUMES)
"""Files of the planned case that a re-plan does not change."""


def replanned(plan: Plan, treatment: Treatment, judgement: Judgement, state: State, words: str) -> Plan:
    """The plan's document for the needles where they lie, with the recommended dose; what was searched is left out."""
    placed = {item.name: item.trajectory for item in treatment.applicators}
    applicators = [
        row.model_copy(
            update={
                "entry_ras_mm": tuple(placed[row.name].entry_mm.tolist()),
                "tip_ras_mm": tuple(placed[row.name].tip_mm.tolist()),
            }
        )
        for row in plan.applicators
    ]
    given = treatment.schedule.activations
    activations = [
        row.model_copy(update={"power_w": a.power_w, "time_s": a.duration_s, "pause_s": a.pause_s})
        for row, a in zip(plan.activations, given, strict=True)
    ]
    return plan.model_copy(
        update={
            "status": "provisional" if judgement.safe and judgement.reached else "no safe plan",
            "status_words": words,
            "applicators": applicators,
            "activations": activations,
            "limits": _limits(judgement, state),
            "coverage": [
                CoverageRow(
                    target=t.name,
                    coverage=t.coverage,
                    lesion_coverage=t.lesion_coverage,
                    margin_mm=t.margin_mm,
                    reached=t.reached,
                )
                for t in judgement.targets
            ],
            "models": {REPLANNED: CARRIED},
            **{name: [] for name in ("candidates", "charts", "relaxations", "shared")},
            "gap": None,
            "binding": "",
        }
    )


def _limits(judgement: Judgement, state: State) -> list[LimitRow]:
    limits, binding = state.limits(), judgement.binding
    return [
        LimitRow(
            name=item.name,
            status=item.status,
            peak_c=item.peak_c,
            cem43_min=item.cem43_min,
            stop_c=limits[item.name].stop_c,
            stop_cem43_min=limits[item.name].stop_cem43_min,
            warn_c=limits[item.name].warn_c,
            warn_cem43_min=limits[item.name].warn_cem43_min,
            binding=item is binding,
        )
        for item in judgement.structures
    ]


def check_output(state: State, output: Path) -> None:
    """Raises InputError where a re-plan would be written over the plan that it comes from."""
    if (Path(output) / FOLDER).resolve() == state.folder.resolve():
        raise InputError(
            "A re-plan would replace the plan.",
            where=str(output),
            expected="another folder",
            advice=f"for example -o {Path(output) / 'real'}",
        )


def save_replan(folder: Path, state: State, result: Replan) -> None:
    """Write the re-planned case into ``folder``, in the form of :func:`vertherm.planning.state.state.save_state`.

    Raises:
        InputError: no dose is safe, so that there is nothing to keep; or the operating system refused.
    """
    if result.treatment is None or result.plan is None:
        raise InputError("A re-plan without a safe dose has no state to keep.", where=state.case.name)
    # Only needles and schedule change; the regions of its protection stay where they are.
    kept = json.loads((state.folder / "treatment.json").read_text("utf-8"))
    documents = {
        "treatment.json": {**kept, **places_document(result.treatment)},
        "plan.json": result.plan.model_dump(mode="json"),
    }
    with atomic_folder(Path(folder)) as temporary:
        for name in KEPT:
            shutil.copyfile(state.folder / name, temporary / name)
        write_state(temporary, documents, {REPLANNED: result.surrogate})
