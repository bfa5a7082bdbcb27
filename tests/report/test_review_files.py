"""What `write_review` leaves in the folder: CSV tables equal review.json, all or nothing, no formulas, marks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.review.made import Series, review
from vertherm.core.errors import InputError
from vertherm.report import review as writer
from vertherm.report.review import csv_text, safe, write_review


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "out"
    write_review(review("khan2018"), path, pdf=False, docx=False)
    return path


def test_files(folder: Path) -> None:
    found = json.loads((folder / "review.json").read_text("utf-8"))
    files = {block["file"] for section in found["sections"] for block in section["blocks"] if block["type"] == "table"}
    assert {item.name for item in folder.iterdir()} == {"review.html", "review.json", "tables"}
    assert {f"tables/{item.name}" for item in (folder / "tables").glob("*.csv")} == files
    assert found["synthetic"] is True
    assert found["mark"] == "SYNTHETIC"
    assert "SYNTHETIC" in (folder / "tables" / "README.txt").read_text("utf-8")


def test_every_csv_equals_the_json(folder: Path) -> None:
    found = json.loads((folder / "review.json").read_text("utf-8"))
    checked = 0
    for section in found["sections"]:
        for block in section["blocks"]:
            if block["type"] == "table":
                with (folder / block["file"]).open(encoding="utf-8", newline="") as stream:
                    lines = list(csv.DictReader(stream))
                assert len(lines) == len(block["rows"])
                for line, row in zip(lines, block["rows"], strict=True):
                    assert line["data"] == "SYNTHETIC"
                    assert line["group"] == row["group"]
                    for column, cell in zip(block["columns"], row["cells"], strict=True):
                        assert line[column["key"]] == safe(cell["text"])
                        for name, value in cell.get("values", {}).items():
                            text = line[f"{column['key']}.{name}"]
                            assert text == ("" if value is None else text)
                            if isinstance(value, int | float) and not isinstance(value, bool):
                                assert float(text) == value
                                checked += 1
    assert checked > 500


def test_pandas_reads_the_numbers_unrounded(folder: Path) -> None:
    name = next((folder / "tables").glob("*-control.csv"))
    table = pd.read_csv(name, float_precision="round_trip")
    row = table[(table["unit"] == "patient") & table["group"].str.startswith("20-24")].iloc[0]
    assert row["exact.estimate"] == 59 / 61
    assert row["free.events"] == 59
    assert set(table["data"]) == {"SYNTHETIC"}


def test_no_cell_is_a_formula() -> None:
    series = Series().patient("p", vas=[(-1, 7.0)])
    for number, text in enumerate(("=1+1", "+1", "-1", "@x", "\tx", "plain"), start=1):
        series.records.add("series_statement", series="s", statement_no=number, kind="stated", item=text, value=text)
    table = series.review().table("statements")
    items = [line["item"] for line in csv.DictReader(csv_text(table, synthetic=False).splitlines())]
    assert items == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "plain"]
    assert next(iter(csv.DictReader(csv_text(table, synthetic=False).splitlines())))["data"] == "registry"


def test_nothing_is_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    write_review(Series().patient("p").review(), folder, pdf=False, docx=False)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write_json", broken)
    with pytest.raises(InputError, match="Cannot write"):
        write_review(review("khan2018"), folder, pdf=False, docx=False)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_second_review_leaves_no_table_of_the_first(tmp_path: Path) -> None:
    write_review(review("khan2018"), tmp_path / "out", pdf=False, docx=False)
    many = len(list((tmp_path / "out" / "tables").iterdir()))
    files = write_review(Series().patient("p").review(), tmp_path / "out", pdf=False, docx=False)
    few = list((tmp_path / "out" / "tables").iterdir())
    assert 5 < len(few) < many
    assert set(few) <= set(files)
