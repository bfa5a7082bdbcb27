"""The maps of strain: on a made-up body, turned against the patient, whose strain is known in every voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.report import fabricated_cement as made
from vertherm.geometry.volume import Grid, Volume
from vertherm.materials.bone_mechanics import mechanics_constant
from vertherm.planning.cement.result import CementFields
from vertherm.report.cement import cement_view, render_cement
from vertherm.report.cement_strain import draw_strain
from vertherm.report.ground import Ground

STATES = ("without lesion", "with lesion", "with cement")
CRITICAL = mechanics_constant("critical_strain").value


def strained(turn_deg: float = 20.0) -> CementFields:
    """A block of 30 mm, turned about the patient's axis from head to foot; its right half strains beyond the limit."""
    fields = made.fields()
    centre = fields.lesion.grid.world(np.argwhere(fields.lesion.data)).mean(axis=0)
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    affine = np.eye(4)
    affine[:3, :3] = 1.5 * np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    affine[:3, 3] = centre - affine[:3, :3] @ np.full(3, 10.5)
    grid = Grid((22, 22, 22), affine)
    data = np.zeros(grid.shape, np.float32)
    data[1:-1, 1:-1, 1:-1] = 0.5 * CRITICAL
    data[11:-1, 1:-1, 1:-1] = 1.2 * CRITICAL
    return replace(fields, strain={state: Volume(data, grid) for state in STATES})


def pixels(turn_deg: float, section: int) -> np.ndarray:
    figure = draw_strain(made.target(), strained(turn_deg), synthetic=True)
    ax = figure.axes[section]
    return next(artist for artist in ax.get_children() if isinstance(artist, Ground)).pixels


def test_one_column_a_state_and_one_row_a_section() -> None:
    figure = draw_strain(made.target(), strained(), synthetic=True)
    assert len(figure.axes) == 2 * len(STATES) + 1
    assert [text.get_text() for text in figure.texts] == list(STATES)
    marks = [text.get_text() for text in figure.axes[0].texts if str(text.get_gid()).startswith("mark-")]
    assert set(marks) >= {"R", "L", "S", "I"}
    said = {text.get_text() for text in figure.axes[0].texts}
    assert any("SYNTHETIC" in text for text in said)
    assert "effective strain (%)" in figure.axes[-1].get_ylabel()


@pytest.mark.parametrize("turn_deg", [0.0, 20.0])
def test_the_right_half_stands_on_the_left_of_the_picture(turn_deg: float) -> None:
    """Coronal section along the body's own directions: the turn does not show, the patient's right is at the left."""
    seen = pixels(turn_deg, 0)
    middle = seen.shape[0] // 2
    row = seen[middle]
    body = np.flatnonzero(row[:, 3])
    # The block is 30 mm wide; steps of the picture are 0.5 mm.
    assert 0.5 * (body[-1] - body[0]) == pytest.approx(30.0, abs=1.0)
    left, right = row[body[0] + 4, :3].astype(int), row[body[-1] - 4, :3].astype(int)
    # Yellow (strained) has far more red than the blue and green of small strains.
    assert left[0] > right[0] + 60


def test_critical_strain_is_outlined_once_on_the_coronal_section() -> None:
    figure = draw_strain(made.target(), strained(), synthetic=False)
    lines = [c for c in figure.axes[0].collections if tuple(np.round(c.get_edgecolor()[0][:3], 2)) == (1.0, 0.3, 0.3)]
    assert len(lines) == 1


def test_the_map_stands_on_the_page() -> None:
    fields = strained()
    result = made.result()
    shown = cement_view(result.document, (fields,), result.case)
    assert shown.targets[0].strain is not None
    assert "the load at which the body without lesion fails" in render_cement(shown)
