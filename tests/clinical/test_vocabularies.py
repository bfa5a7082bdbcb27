"""Codes are what every exchange format takes, unique, with labels; number codes for missing values do not collide."""

from __future__ import annotations

import re

import pytest

from vertherm.clinical import grades, sins, vocabularies
from vertherm.clinical.levels import Level
from vertherm.clinical.pathology import Pathology
from vertherm.clinical.vocabulary import Term, Vocabulary, vocabulary
from vertherm.registry.schema.catalogue import ENTITIES

ALL = (*vocabularies.ALL, *grades.ALL, *sins.COMPONENTS.values())


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.name)
def test_codes_and_labels(item: Vocabulary) -> None:
    codes = [term.code for term in item.terms]
    assert len(codes) == len(set(codes)) > 0
    assert all(re.fullmatch(r"[A-Za-z0-9_.]+", code) for code in codes)
    labels = [term.label for term in item.terms]
    assert all(label.strip() == label != "" for label in labels)
    assert len(labels) == len(set(labels))
    assert item.source


def test_names_are_unique() -> None:
    names = [item.name for item in ALL]
    assert len(names) == len(set(names))


def test_disabled_terms_are_labelled_and_not_stored() -> None:
    item = Vocabulary("v", (Term("a", "A"), Term("b", "B", enabled=False)))
    assert item.codes == ("a",)
    assert item.label("b") == "B"
    assert item.label(None) == ""
    with pytest.raises(KeyError):
        item.label("c")
    assert all(term.verified and term.enabled for term in vocabulary("w", [("a", "A")]).terms)


def test_missing_codes() -> None:
    assert set(vocabularies.MISSING_NUMBERS) == set(vocabularies.MISSING.codes)
    numbers = list(vocabularies.MISSING_NUMBERS.values())
    assert len(numbers) == len(set(numbers))
    # Outside the limits of every field that may say why it is empty, so that none can be mistaken for a value.
    fields = [field for entity in ENTITIES for field in entity.fields if field.missing]
    assert fields
    assert all(field.low is not None and max(numbers) < field.low for field in fields)
    # The usual codes of registries.
    assert (vocabularies.MISSING_NUMBERS["unknown"], vocabularies.MISSING_NUMBERS["not_done"]) == (-999, -998)
    assert vocabularies.MISSING_NUMBERS["died"] == -997


def test_primary_tumours_and_levels_are_those_of_the_domain() -> None:
    assert vocabularies.PRIMARY_TUMOUR.codes == tuple(item.name for item in Pathology)
    assert set(vocabularies.LEVEL.codes) == {level.value for level in Level}
    assert "C8" in vocabularies.ROOT.codes
    assert "C9" not in vocabularies.ROOT.codes
