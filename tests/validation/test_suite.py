"""The suite as a whole: groups, document of the command-line contract, broken groups, missing codes, figures, page."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

from vertherm.core.errors import InputError
from vertherm.validation import cross_code, damage, suite
from vertherm.validation.case import Case
from vertherm.validation.evidence import Evidence

KEYS = {"case", "quantity", "expected", "source", "got", "tolerance", "unit", "pass", "known", "status", "group"}
PAGE = Path(__file__).parents[2] / "docs" / "validation.md"


def test_document_has_the_keys_of_the_contract():
    """Contract: schema_version, cases with nine keys; ours adds status and group, and lists groups and counts."""
    document = json.loads(json.dumps(suite.document(suite.run_all(only=["damage"])), allow_nan=False))
    assert document["schema_version"] == 1
    assert all(set(case) == KEYS for case in document["cases"])
    assert {case["group"] for case in document["cases"]} == {"damage"}
    (group,) = document["groups"]
    assert set(Evidence.__dataclass_fields__) <= set(group)
    assert sum(document["counts"].values()) == len(document["cases"])
    assert document["counts"]["fail"] == 0


def test_unknown_group_is_refused():
    with pytest.raises(InputError, match="no such group"):
        suite.run_all(only=["astrology"])


@pytest.mark.parametrize("name", suite.MODULES)
def test_every_group_says_what_it_is_worth(name):
    """Credibility after V&V 40: title, question, context, evidence and unknown are all written."""
    evidence = importlib.import_module(f"vertherm.validation.{name}").EVIDENCE
    assert all(len(text) > 20 or field == "title" for field, text in evidence.row().items())


def test_a_broken_group_fails_and_does_not_hide_the_others(monkeypatch):
    def broken():
        raise ValueError("no field")

    monkeypatch.setattr(damage, "cases", broken)
    groups = suite.run_all(only=["damage", "shaft"])
    assert [group.name for group in groups] == ["shaft", "damage"]
    (row,) = groups[1].cases
    assert row.status == "fail"
    assert row.source == "ValueError: no field"
    assert suite.unexplained(suite.all_cases(groups)) == [row]


def test_states_are_counted():
    rows = [
        Case("a", "b", 1.0, "s", 1.0, 0.1, "K"),
        Case("a", "b", 1.0, "s", 2.0, 0.1, "K"),
        Case("a", "b", 1.0, "s", 2.0, 0.1, "K", known="understood"),
        Case.not_run("a", "b", None, "s", "K", "data missing"),
    ]
    assert suite.counts(rows) == {"pass": 1, "fail": 1, "known": 1, "not run": 1}
    assert suite.unexplained(rows) == [rows[1]]


def test_a_missing_second_code_is_said_and_never_passes(monkeypatch):
    monkeypatch.setattr(cross_code, "installed", lambda: False)
    rows = cross_code.cases()
    assert [row.status for row in rows] == ["not run", "not run"]
    assert rows[0].known == "not run: NGSolve is not installed (development only)"
    assert cross_code.figures(Path("nowhere")) == []


def test_figures_are_written(tmp_path):
    """Every figure is a file that is there, with units on its axes, a title and a caption."""
    (group,) = suite.run_all(only=["shaft"], figures=tmp_path / "new")
    assert group.figures
    for figure in group.figures:
        text = figure.path.read_text("utf-8")
        assert "<svg" in text
        assert figure.title
        assert figure.caption
    again = tmp_path / "again"
    (other,) = suite.run_all(only=["shaft"], figures=again)
    assert other.figures[0].path.read_bytes() == group.figures[0].path.read_bytes()


def test_the_page_holds_every_group_figure_and_reference():
    """The page is generated; a group or a figure that it lacks, or shows and the suite lacks, makes it stale."""
    text = PAGE.read_text("utf-8")
    for name in suite.MODULES:
        assert f"{{#{name}}}" in text, f"run docs/fill_validation.py: {name}"
        assert importlib.import_module(f"vertherm.validation.{name}").EVIDENCE.title in text
    shown = set(re.findall(r"\(img/validation/([^)]+)\)", text))
    assert shown == {path.name for path in (PAGE.parent / "img" / "validation").iterdir()}
    size = sum(path.stat().st_size for path in (PAGE.parent / "img" / "validation").iterdir())
    assert size < 2e6


@pytest.mark.parametrize("path", sorted(Path(suite.__file__).parent.glob("[fp]u*.py")), ids=lambda path: path.stem)
def test_names_written_in_the_slow_groups_are_on_the_page(path):
    """Full wave and published experiments take minutes: the fixed parts of their cases' names are read from source."""
    text = PAGE.read_text("utf-8")
    assert [name for name in _names(ast.parse(path.read_text("utf-8"))) if name.strip() not in text] == []


def _names(tree):
    """Literal parts of what is called name or title, or is the first argument of a row."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & {"name", "title"}:
            yield from _literals(node.value)
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in ("Case", "Case.not_run"):
            yield from _literals(node.args[0])


def _literals(node):
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return [part.value for part in parts if isinstance(part, ast.Constant) and len(str(part.value)) > 8]
