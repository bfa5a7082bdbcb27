"""The page of the data dictionary shows the catalogue as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

from vertherm.registry.schema.catalogue import ENTITIES

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_current() -> None:
    """docs/reference/data-dictionary.md is what the catalogue says; run docs/fill_dictionary.py after a change."""
    written = runpy.run_path(str(DOCS / "fill_dictionary.py"))["page"]()
    assert (DOCS / "reference" / "data-dictionary.md").read_text("utf-8") == written


def test_every_field_code_and_rule_is_on_it() -> None:
    """Read as text, without the code that wrote it: a field that the page forgets would be a hole in the record."""
    page = (DOCS / "reference" / "data-dictionary.md").read_text("utf-8")
    for entity in ENTITIES:
        section = page.split(f"\n## `{entity.name}`: ")[1].split("\n## ")[0]
        for field in entity.fields:
            assert f"| `{field.name}` | {field.label} |" in section, (entity.name, field.name)
            for term in field.vocabulary.terms if field.vocabulary else ():
                assert f"| `{term.code}` | {term.label} |" in page, (field.name, term.code)
        for check in entity.checks:
            assert check.reason in section, check.name
