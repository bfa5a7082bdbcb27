"""Levels, regions, and which root leaves where."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertherm.clinical.levels import (
    CountingRule,
    Level,
    LevelStatement,
    Region,
    Transition,
    neighbour_above,
    neighbour_below,
    parse_level,
    root_above,
    root_below,
    root_level,
    root_names,
)
from vertherm.clinical.pathology import LesionKind, Pathology
from vertherm.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "level"),
    [("L3", "L3"), (" l3 ", "L3"), ("Th12", "T12"), ("D5", "T5"), ("vertebrae_S1", "S1"), ("vertebra C07", "C7")],
)
def test_people_write_levels_in_many_ways(text: str, level: str) -> None:
    assert parse_level(text) is Level(level)
    assert Level.parse(text) is Level(level)


@pytest.mark.parametrize("text", ["", "L7", "C8", "T0", "T14", "S6", "X1", "3", "L", "L3-L4", "L3 left"])
def test_what_is_no_level_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_level(text)
    assert caught.value.exit_code == 2
    assert "T1..T13" in str(caught.value)


@given(st.text(max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_text_is_a_level_or_a_clear_error(text: str) -> None:
    try:
        level = parse_level(text)
    except InputError:
        return
    assert level.value[0] in "CTLS"


def test_order_and_regions() -> None:
    assert sorted(Level, reverse=True)[0] is Level.S5
    assert Level.C7 < Level.T1 < Level.T12 < Level.T13 < Level.L1 < Level.L5 < Level.L6 < Level.S1
    assert Level.T13.region is Region.thoracic
    assert {level for level in Level if level.supernumerary} == {Level.T13, Level.L6}
    assert pickle.loads(pickle.dumps(Level.L3)) is Level.L3


@pytest.mark.parametrize(
    ("level", "above", "below"),
    [
        ("C1", "C1", "C2"),
        ("C3", "C3", "C4"),
        ("C7", "C7", "C8"),
        ("T1", "C8", "T1"),
        ("T2", "T1", "T2"),
        ("L1", "T12", "L1"),
        ("L3", "L2", "L3"),
        ("S1", "L5", "S1"),
        ("T13", "T12", "T13"),
        ("L6", "L5", "L6"),
    ],
)
def test_cervical_roots_leave_above_their_vertebra_and_all_others_below(level: str, above: str, below: str) -> None:
    assert root_names(Level(level)) == (above, below)
    assert (root_above(Level(level)), root_below(Level(level))) == (above, below)


def test_an_unusual_count_names_the_root_by_the_real_neighbour() -> None:
    assert root_above(Level.S1, upper=Level.L6) == "L6"
    assert root_above(Level.L1, upper=Level.T13) == "T13"


def test_root_c8_belongs_to_c7() -> None:
    assert root_level("C8") is Level.C7
    assert root_level("L3") is Level.L3


def test_neighbours_skip_supernumerary_levels_and_end() -> None:
    assert neighbour_above(Level.L1) is Level.T12
    assert neighbour_below(Level.L5) is Level.S1
    for level, step in ((Level.C1, neighbour_above), (Level.S5, neighbour_below)):
        with pytest.raises(InputError):
            step(level)


def test_a_statement_about_the_level_knows_when_the_name_is_ambiguous() -> None:
    assert not LevelStatement(Level.L3, True, CountingRule.from_c2).transitional
    assert LevelStatement(Level.L6).transitional
    assert LevelStatement(Level.L5, transition=Transition.sacralised_l5).transitional


def test_pathologies_of_the_study_are_there_and_kinds_have_a_tissue() -> None:
    names = {p.name for p in Pathology}
    study = "myeloma breast lung thyroid prostate colon renal oral_squamous adenocarcinoma_unknown other"
    assert set(study.split()) <= names
    assert [kind.tissue for kind in LesionKind] == ["lytic_tumour", "blastic_tumour", "mixed_tumour"]
