"""Names of the files of a cement prediction."""

from __future__ import annotations

from vertherm.planning.cement.outputs import field_names


def test_targets_that_look_alike_get_files_of_their_own() -> None:
    assert field_names(["L3 a", "L3_a", "L3/a", "other"]) == {
        "L3 a": "L3_a",
        "L3_a": "L3_a_2",
        "L3/a": "L3_a_3",
        "other": "other",
    }
