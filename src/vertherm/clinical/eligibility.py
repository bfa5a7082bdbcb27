"""Questions before a procedure. The program asks them and repeats the answers; it never answers one itself.

What it can read from the record (SINS, ESCC) only adds a question: a person decides. From a SINS of 7 a surgical
opinion is asked for; ESCC 2 and 3 is cord compression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vertherm.clinical import ordering, sins
from vertherm.clinical.vocabularies import ANSWER
from vertherm.core.errors import InputError


@dataclass(frozen=True)
class Question:
    """A question to a person: the field that keeps the answer, its wording, and why it is asked."""

    field: str
    text: str
    why: str


QUESTIONS = (
    Question("anticoagulation", "Anticoagulation or a bleeding disorder?", "bleeding into the spinal canal"),
    Question("infection", "Active infection, systemic or at the site?", "cement is a foreign body"),
    Question("high_grade_escc", "Cord compression (ESCC 2 or 3)?", "the cord has no reserve for heat, gas or cement"),
    Question("metalwork", "Metal near the lesion?", "it changes the field and hides the lesion on images"),
    Question("pacemaker", "Pacemaker or another active implant?", "microwaves may disturb it"),
)
"""All questions, in the order in which the procedure record keeps their answers."""


@dataclass(frozen=True)
class Notice:
    """Something a person should look at: the field it concerns and what to do."""

    field: str
    text: str


def notices(
    answers: Mapping[str, str | None], *, sins_total: int | None = None, escc: str | None = None
) -> tuple[Notice, ...]:
    """What is open or answered with yes, and what the record adds. An empty result is no clearance.

    Args:
        answers: answer (yes, no, not_asked) by field of :data:`QUESTIONS`; absent or None counts as not asked.
        sins_total: SINS 0-18, None where not known.
        escc: ESCC grade, None where not known.

    Raises:
        InputError: another answer, a SINS outside 0-18, or an unknown ESCC grade.
    """
    found = [notice for question in QUESTIONS if (notice := _of_answer(question, answers.get(question.field)))]
    return (*found, *_of_sins(sins_total), *_of_escc(escc, answers.get("high_grade_escc")))


def _of_answer(question: Question, answer: str | None) -> Notice | None:
    if answer is not None and answer not in ANSWER.codes:
        raise InputError(
            "This is not an answer.", where=question.field, got=repr(answer), expected=", ".join(ANSWER.codes)
        )
    if answer == "no":
        return None
    if answer == "yes":
        return Notice(question.field, f"Answered yes: {question.text} Concern: {question.why}. A person decides.")
    return Notice(question.field, f"Not asked: {question.text}")


def _of_sins(total: int | None) -> tuple[Notice, ...]:
    if total is None:
        return (Notice("sins_total", "SINS is not known: is the spine stable?"),)
    if not 0 <= total <= 18:
        raise InputError("A SINS lies between 0 and 18.", got=total)
    if total < sins.SURGICAL_OPINION:
        return ()
    return (Notice("sins_total", f"SINS {total}, {sins.stability(total)}: has a surgeon been asked?"),)


def _of_escc(escc: str | None, answer: str | None) -> tuple[Notice, ...]:
    high = ordering.is_high_grade_escc(escc)
    if high is None:
        return (Notice("escc", "The epidural extent was not assessed: is there an MR?"),)
    if high and answer == "no":
        return (Notice("escc", f"ESCC {escc} is recorded, but cord compression was answered with no: which holds?"),)
    return (Notice("escc", f"ESCC {escc}: cord compression. A person decides."),) if high else ()
