"""Pictures: marks on every one of them, the patient's sides where they belong, and pixels to prove it."""

from __future__ import annotations

import base64
import dataclasses
import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.report import fabricated
from vertherm.geometry.volume import Grid, Volume
from vertherm.planning.scene import Scene, ZoneField
from vertherm.report import curves, style
from vertherm.report.pictures import Painter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLANES = ("axial", "coronal", "sagittal", "needle")


@cache
def scene() -> Scene:
    return fabricated.scene(mr=True)


def texts(figure: Figure) -> str:
    from matplotlib.text import Text

    return "\n".join(item.get_text() for item in figure.findobj(Text))


def all_figures(painter: Painter, planes: tuple[str, ...] = PLANES) -> list[Figure]:
    figures = [
        draw(name)[0] for name in planes for draw in (painter.draw_anatomy, painter.draw_temperature, painter.draw_mr)
    ]
    figures += [painter.draw_zones(zone, i)[0] for i, zone in enumerate(painter.scene.zones)]
    for draw in (curves.draw_temperatures, curves.draw_power, curves.draw_limits):
        figures.append(draw(painter.assessment, painter.scene))
    return figures


@pytest.mark.parametrize("synthetic", [True, False])
def test_every_picture_says_research_and_whether_it_is_synthetic(synthetic: bool) -> None:
    painter = Painter(fabricated.assessment(synthetic=synthetic), scene())
    for figure in all_figures(painter, PLANES if synthetic else ("axial",)):
        axes = [ax for ax in figure.axes if ax.get_title() != "°C"]
        said = texts(figure)
        assert said.count("RESEARCH ONLY") == len(axes), said
        assert said.count(style.SYNTHETIC_MARK) == (len(axes) if synthetic else 0), said


def test_derived_outlines_are_dashed_and_said_on_the_picture_and_in_the_legend() -> None:
    painter = Painter(fabricated.assessment(), scene())
    figure, _ = painter.draw_anatomy("axial")
    assert style.DERIVED_MARK in texts(figure)
    rows = {row.name: row for row in painter.legend()}
    assert rows["skin"].dashed
    assert rows["skin"].note == "derived"
    assert not rows["dural sac"].dashed
    assert rows["lesion: lesion"].note == style.SYNTHETIC_MARK
    only_labelled = dataclasses.replace(scene(), structures=tuple(s for s in scene().structures if not s.derived))
    assert style.DERIVED_MARK not in texts(Painter(fabricated.assessment(), only_labelled).draw_anatomy("axial")[0])


def mark_places(figure: Figure) -> dict[str, str]:
    from matplotlib.text import Text

    marks = [item for item in figure.findobj(Text) if str(item.get_gid() or "").startswith("mark-")]
    places = {}
    for mark in marks:
        x, y = mark.get_position()
        edge = "left" if x < 0.1 else "right" if x > 0.9 else "top" if y > 0.9 else "bottom"
        places[edge] = mark.get_text()
    return places


@pytest.mark.parametrize("draw", ["draw_anatomy", "draw_temperature", "draw_mr"])
@pytest.mark.parametrize(
    ("name", "left", "right"), [("axial", "R", "L"), ("coronal", "R", "L"), ("sagittal", "A", "P")]
)
def test_letters_stand_at_the_edges_they_belong_to(draw: str, name: str, left: str, right: str) -> None:
    figure, _ = getattr(Painter(fabricated.assessment(), scene()), draw)(name)
    places = mark_places(figure)
    assert (places["left"], places["right"]) == (left, right)
    assert places["top"] == ("A" if name == "axial" else "S")
    assert figure.axes[0].get_xlim()[0] < figure.axes[0].get_xlim()[1]
    assert figure.axes[0].get_ylim()[0] < figure.axes[0].get_ylim()[1]


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (1, 1, 1)), ((1, 2, 0), (-1, -1, 1)), ((2, 0, 1), (1, -1, -1))]
)
def test_pixels_of_the_finished_png_have_the_right_organ_on_the_left(
    order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    """The bright organ at RAS (+45, +25) must shine in the upper left of the axial PNG, whatever the storage."""
    from matplotlib.image import imread

    stored = fabricated.scene(fabricated.ct_grid(order, flips))  # type: ignore[arg-type]
    picture = Painter(fabricated.assessment(), stored).anatomy("axial")
    image = imread(io.BytesIO(base64.b64decode(picture.uri.split(",", 1)[1])))[..., :3].mean(-1)
    height, width = image.shape
    # u = -(x - 4) runs over -52..52 to the right, v = y - 6 upwards: the organ's centre is at u = -41, v = 19.
    row, column = int(height - (19 + 52) / 104 * (height - 37)), int((-41 + 52) / 104 * width)
    box = image[row - 20 : row + 20, column - 20 : column + 20].mean()
    mirrored = image[row - 20 : row + 20, width - column - 20 : width - column + 20].mean()
    assert box > mirrored + 0.08


def test_mirrored_anatomy_moves_the_named_root_to_the_other_side() -> None:
    """The name "root L3 left" must be written on the right half of a coronal picture through both roots."""
    from matplotlib.text import Text

    through_roots = dataclasses.replace(scene(), focus_mm=np.array([0.0, -12.0, -8.0]))
    figure, _ = Painter(fabricated.assessment(), through_roots).draw_anatomy("coronal")
    places = {
        item.get_text(): item.get_position()[0] for item in figure.findobj(Text) if item.get_text().startswith("root")
    }
    assert places["root L3 left"] > 0 > places["root L3 right"]


def test_level_and_scale_and_colour_bar_are_there() -> None:
    figure, _ = Painter(fabricated.assessment(), scene()).draw_temperature("axial")
    said = texts(figure)
    assert "L3" in said
    assert "20 mm" in said
    assert "°C" in said
    assert any(ax.get_title() == "°C" for ax in figure.axes)


def test_scale_bar_is_as_long_as_it_says() -> None:
    figure, _ = Painter(fabricated.assessment(), scene()).draw_anatomy("axial")
    lengths = [np.ptp(line.get_xdata()) for line in figure.axes[0].lines if np.ptp(line.get_ydata()) == 0]
    assert any(length == pytest.approx(20.0) for length in lengths)


def test_zone_contour_lies_where_the_field_reaches_its_level() -> None:
    """50 degC isotherm of 37 + 75 exp(-r²/2·8²) across the needle: r = 8 √(2 ln(75/13)) = 14.98 mm, drawn to 0.3 mm."""
    painter = Painter(fabricated.assessment(), dataclasses.replace(scene(), zones=scene().zones[:1]))
    figure, _ = painter.draw_temperature("needle")
    plane = painter.plane("needle")
    contours = [item for item in figure.axes[0].collections if item.get_zorder() == 10 and len(item.get_paths()) == 1]
    widest = [path.vertices for item in contours for path in item.get_paths() if len(path.vertices) > 60]
    r, z = (
        scene()
        .needles[0]
        .trajectory.cylindrical_mm(plane.origin_mm + widest[-1][:, :1] * plane.right + widest[-1][:, 1:] * plane.up)
    )
    assert r[np.abs(z - 10) < 1.0].mean() == pytest.approx(14.98, abs=0.3)


def test_dose_contour_is_found_on_the_logarithmic_scale() -> None:
    """CEM43 = 240 · 2^(20 − |x − 4|) on a 3 mm grid: the 240 min surface lies 20 mm from the focus, drawn to 0.05 mm.

    Linear interpolation of a quantity that halves every millimetre errs by up to a millimetre between such cells.
    """
    grid = Grid.isotropic(fabricated.TARGET - 40, fabricated.TARGET + 40, 3.0)
    field = Volume((240.0 * 2.0 ** (20 - np.abs(grid.centres()[..., 0] - 4.0))).astype(np.float32), grid)
    zone = ZoneField("cem43_240", "CEM43", 240.0, field, field, field, "cem43_min")
    painter = Painter(fabricated.assessment(), dataclasses.replace(scene(), zones=(zone,), structures=(), lesions={}))
    figure, _ = painter.draw_temperature("axial")
    edges = np.concatenate(
        [np.abs(path.vertices[:, 0]) for item in figure.axes[0].collections for path in item.get_paths()]
    )
    assert np.median(edges) == pytest.approx(20.0, abs=0.05)


def test_needle_plane_goes_through_the_deciding_structure() -> None:
    painter = Painter(fabricated.assessment(), scene())
    assert painter.deciding == "root L3 right"
    assert "root L3 right" not in painter.out_of_view(["needle"])
    assert "root L3 left" in painter.out_of_view(PLANES)


def test_holes_in_the_fields_do_not_disturb() -> None:
    """NaN in CT, MR and peak temperature, empty masks, no zones: pictures are drawn all the same."""
    base = scene()
    ct = base.ct.data.copy()
    ct[:20] = np.nan
    peak = base.peak_c.data.copy()
    peak[:5] = np.nan
    empty = base.lesions["lesion"].with_data(np.zeros_like(base.lesions["lesion"].data))
    torn = dataclasses.replace(
        base,
        ct=base.ct.with_data(ct),
        peak_c=base.peak_c.with_data(peak),
        zones=(),
        lesions={"none": empty},
        focus_mm=None,
    )
    painter = Painter(fabricated.assessment(), torn)
    np.testing.assert_allclose(painter.focus_mm, base.needles[0].trajectory.tip_mm)
    for name in PLANES:
        assert "nan" not in painter.temperature(name).alt.lower()


def test_curves_are_ordered_by_how_near_they_come_to_their_stop_limit() -> None:
    names = [curve.name for curve in curves.shown_curves(scene())]
    assert names[:2] == ["root L3 right", "dural sac"]


def test_temperature_diagram_marks_switch_off_limits_and_band() -> None:
    figure = curves.draw_temperatures(fabricated.assessment(), scene())
    said = texts(figure)
    assert said.count("switch-off") == len(scene().curves)
    assert "stop 45" in said
    assert "warn 43" in said
    assert figure.axes[0].get_xlim()[1] * 60 == pytest.approx(900.0)


def test_power_holds_until_switch_off() -> None:
    """Powers are logged at the start of each interval: two intervals of 100 s must be drawn up to 200 s."""
    logged = dataclasses.replace(
        scene(),
        power_time_s=np.array([0.0, 100.0]),
        power_w={"forward": np.array([15.0, 14.0])},
        activations_s=((0.0, 200.0),),
    )
    line = next(
        item
        for item in curves.draw_power(fabricated.assessment(), logged).axes[0].lines
        if item.get_label() == "forward"
    )
    np.testing.assert_allclose(line.get_xdata(), np.array([0.0, 100.0, 200.0]) / 60)
    np.testing.assert_allclose(line.get_ydata(), [15.0, 14.0, 14.0])
