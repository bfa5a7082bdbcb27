"""The pages of the cement: every number is on them, pictures show what the volumes hold, and left is left.

- Shaded view: a ball of radius r at height h above the plane is seen as a disc of radius r; its surface stands at
  h + sqrt(r^2 - rho^2) and faces the viewer by sqrt(1 - rho^2 / r^2). Tolerance 0.8 mm: rays are sampled every 0.5 mm
  and the voxels are 1 mm. The light is a gradient of a field rounded over a voxel, interpolated: within 0.1.
- Storage order: the same patient stored along other axes gives the same pixels (sampling ties may differ by a grey).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report import fabricated_cement as made
from tests.report.test_access import rows
from tests.report.test_html import EVIL, Page
from vertherm.geometry.volume import Grid, Volume
from vertherm.planning.cement.document import TargetCement
from vertherm.report import cement_curves, cement_heat, cement_look, words
from vertherm.report.cement import CementView, cement_view, render_cement, words_of_cement, write_cement_report
from vertherm.report.cement_planes import CementPainter
from vertherm.report.environment import environment


@cache
def view() -> CementView:
    result = made.result()
    return cement_view(result.document, result.fields, result.case)


@cache
def html() -> str:
    return render_cement(view())


def bare(**changes: Any) -> TargetCement:
    """A target of which only the fill is known."""
    nothing: dict[str, Any] = {"sites": [], "curve": None, "safe": None, "course": None, "stops": [], "curing": None}
    return made.target(**{**nothing, "strength": None, "needles": [], **changes})


def test_every_number_is_on_the_page() -> None:
    text, table, target = Page(html()).text, rows(html()), view().document.targets[0]
    assert target.curing is not None
    assert target.strength is not None
    assert target.safe is not None
    for site in target.sites:
        wanted = [words.chance(site.probability), words.number(site.onset_ml), words.number(site.distance_mm)]
        limit = words.percent(target.safe.limits[site.site])
        name = f"{site.site} derived" if site.derived else site.site
        assert [name, *wanted, limit, words.sentence(site.words)] in table
    for stop in target.stops:
        line = [stop.rule, words.number(stop.volume_ml), words.clock(stop.since_mixing_s), words.sentence(stop.words)]
        assert line in table
    for item in target.curing.structures:
        for row in (item.curing_peak_c, item.combined_peak_c):
            assert f"{words.number(row.value)} {words.band(row)}" in " ".join(text.split())
    for state in target.strength.states:
        assert f"{state.stiffness_ratio.value:.2f} {words.band(state.stiffness_ratio, 2)}" in " ".join(text.split())
    for component in target.sins.components:
        assert words.sentence(component.words) in text
    for row in view().published:
        assert words.sentence(row.words) in text
        assert row.source in text
    for wanted in ("Largest volume within the limits: 4.2 ml (ended by: canal)", "surgical opinion: yes", "7 of 18",
                   "a guess of ours", "Not assessed: pulmonary embolism", "61\xa0234 elements"):  # fmt: skip
        assert " ".join(wanted.split()) in " ".join(text.split()), wanted


def test_the_page_loads_nothing_and_is_readable_by_machines() -> None:
    parsed = Page(html())
    assert "<script" not in html()
    assert not [value for value in parsed.values if re.match(r"(https?:)?//", value)]
    assert len(parsed.images) == 8
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 60 for image in parsed.images)
    assert all(header.get("scope") in ("col", "row") for header in parsed.headers)
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    assert not re.search(r"\b(nan|inf|None)\b", parsed.text)
    assert parsed.text.count("SYNTHETIC") >= 2


def test_one_file_is_written(tmp_path: Path) -> None:
    told: list[float] = []
    result = made.result(targets=[bare()])
    write_cement_report(result, tmp_path / "cement.html", progress=lambda _, share: told.append(share))
    assert [item.name for item in tmp_path.iterdir()] == ["cement.html"]
    assert told[-1] == 1.0


def test_what_is_not_known_leaves_no_empty_pictures_behind() -> None:
    shown = cement_view(made.document(targets=[bare()], assumptions=[], provenance={}))
    assert shown.pictures == []
    text = Page(render_cement(shown)).text
    for missing in ("Curing heat", "Strength", "Leakage", "Injection", "Where this comes from"):
        assert missing not in text
    assert "Stability (SINS)" in text


def test_measured_cement_says_so() -> None:
    measured = bare(source="measured", sites=made.site_rows(), samples=0)
    text = Page(render_cement(cement_view(made.document(targets=[measured])))).text
    assert "MEASURED" in text
    assert "nothing about the fill was predicted" in text
    assert "cement there" in text


def test_without_the_patient_there_are_diagrams_only() -> None:
    shown = cement_view(made.document())
    assert shown.targets[0].planes is None
    assert shown.targets[0].space is None
    assert len(shown.pictures) == 6


def test_names_cannot_inject() -> None:
    target = bare(target=EVIL, notes=[EVIL], sites=[made.site_rows()[0].model_copy(update={"words": EVIL})])
    document = made.document(
        title=EVIL, notes=[EVIL], not_assessed=[EVIL], status_words=EVIL, targets=[target], models={EVIL: EVIL}
    )
    rendered = render_cement(cement_view(document))
    assert "<script" not in rendered
    assert Page(rendered).text.count("<script>alert") >= 7


def test_the_same_sections_fit_into_the_page_of_a_plan() -> None:
    shown = cement_view(made.document(targets=[bare()]))
    template = environment().from_string('{% include "cement_sections.html.j2" %}')
    part = template.render(cv=shown, **words_of_cement())
    assert part.lstrip().startswith('<section id="cement">')
    assert part.count("<section") == part.count("</section>") == 3
    assert "<html" not in part


def test_leakage_diagram_shows_the_curves_the_limit_and_the_safe_volume() -> None:
    target = made.target()
    assert target.curve is not None
    figure = cement_curves.draw_leakage(target, target.curve, synthetic=True)
    axes = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert "canal (binds)" in axes
    lines = {str(line.get_label()): line for line in axes["canal (binds)"].get_lines()}
    assert lines["share of samples"].get_ydata() == pytest.approx(100 * np.array(target.curve.probability["canal"]))
    assert set(lines["limit"].get_ydata()) == {5.0}
    assert set(lines["largest within the limits"].get_xdata()) == {4.2}
    assert set(lines["injected"].get_xdata()) == {5.0}
    published = figure.axes[-1]
    assert len(published.get_yticklabels()) == 5
    diamonds = [line.get_xdata() for line in published.get_lines() if line.get_marker() == "D"]
    assert sorted(float(x[0]) for x in diamonds) == pytest.approx([15.9, 31.0])


def test_distance_is_one_line_a_site_and_empty_where_no_cement_is_yet() -> None:
    target = made.target()
    curve = made.leakage_curve()
    volumes = len(curve.volume_ml)
    away = {"canal": [None, *np.linspace(9.0, 1.0, volumes - 1)], "disc": [None] * volumes}
    curve = curve.model_copy(update={"distance_mm": away})
    ax = cement_curves.draw_distance(target, curve, synthetic=True).axes[0]
    lines = {str(line.get_label()): line for line in ax.get_lines()}
    assert set(lines) == {"canal", "injected"}
    found = np.asarray(lines["canal"].get_ydata(), float)
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx(np.linspace(9.0, 1.0, volumes - 1))
    assert "canal 1.0 mm" in cement_curves.distance(target, curve, synthetic=True).alt
    shown = cement_view(made.document(targets=[made.target(curve=curve)]))
    assert shown.targets[0].distance is not None
    assert "canal 1.0 mm" in render_cement(shown)


def test_course_shows_pressure_over_the_window_and_where_it_stops() -> None:
    target, document = made.target(), made.document()
    assert target.course is not None
    upper, lower = cement_curves.draw_course(target, document.cement, synthetic=True).axes
    lines = {str(line.get_label()): line for line in (*upper.get_lines(), *lower.get_lines())}
    assert lines["pressure, nominal"].get_ydata() == pytest.approx(np.array(target.course.pressure_mpa))
    assert lines["viscosity"].get_ydata() == pytest.approx(np.array(target.course.viscosity_pa_s))
    stops = [line.get_xdata()[0] for line in upper.get_lines() if line.get_label() == "a stop rule"]
    assert sorted(stops) == pytest.approx([7.1, 7.5, 9.0])
    assert any("leakage, 4.2 ml" in text.get_text() for text in upper.texts)


def test_strength_bars_are_the_ratios() -> None:
    row = made.strength()
    ax = cement_curves.draw_strength(made.target(), row, synthetic=False).axes[0]
    heights = [patch.get_height() for patch in ax.patches]
    wanted = [s.stiffness_ratio.value for s in row.states] + [s.failure_ratio.value for s in row.states]
    assert heights == pytest.approx(wanted)


def test_strength_over_volume_marks_what_lies_beyond_the_safe_volume() -> None:
    target = made.target()
    ax = cement_curves.draw_strength(target, made.strength(), synthetic=False).axes[1]
    assert [patch.get_x() for patch in ax.patches] == pytest.approx([4.2])
    text = Page(render_cement(cement_view(made.document()))).text
    for said in (
        "A millilitre adds most from 0.0 to 2.0 ml.",
        "the sample with most on the left",
        "71.0 %",
        "2.3 left",
    ):
        assert said in text


@pytest.mark.parametrize(("mm", "said"), [(1.25, "1.2 right"), (-0.31, "0.3 left"), (0.04, "0.0"), (-0.04, "0.0")])
def test_sides_in_words(mm: float, said: str) -> None:
    assert words.sideways(mm) == said
    assert words.forwards(mm) == said.replace("right", "forwards").replace("left", "backwards")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("43 °C or CEM43 10 min", 43.0), ("CEM43 10 min", None), ("below 10 °C", None), ("none", None), ("44.5 °C", 44.5),
     ("45 °C or below 5 °C", 45.0)],
)  # fmt: skip
def test_temperature_of_a_limit_in_words(text: str, limit: float | None) -> None:
    assert cement_heat.limit_c(text) == limit


def test_heat_diagrams_show_every_variant_with_limits_and_published_values() -> None:
    row = made.curing()
    figure = cement_heat.draw_courses(row, synthetic=True)
    first = figure.axes[0]
    assert first.get_title(loc="left").endswith("dural sac")
    labels = [str(line.get_label()) for line in first.get_lines()]
    assert labels == ["nominal", "fast kinetics", "from body heat", "warn limit", "stop limit"]
    peaks = cement_heat.draw_peaks(row, synthetic=True).axes
    marks = [line.get_xdata() for line in peaks[0].get_lines() if line.get_marker() == "^"]
    assert sorted(float(np.atleast_1d(x)[0]) for x in marks) == [38.0, 39.1, 40.2]
    assert len(peaks[1].get_yticklabels()) == 3
    delays = cement_heat.draw_delays(row, synthetic=True).axes[0]
    assert delays.get_lines()[0].get_ydata() == pytest.approx([46.1, 43.8, 42.4])


def test_shaded_ball_has_its_form_and_its_side() -> None:
    grid = Grid.isotropic(np.full(3, -30.0), np.full(3, 30.0), 1.0)
    centre, radius = np.array([12.0, -4.0, 5.0]), 9.0
    inside = np.linalg.norm(grid.centres() - centre, axis=-1)
    ball = Volume((1.0 / (1.0 + np.exp(1.5 * (inside - radius)))).astype(np.float32), grid)
    fields = made.fields()
    for name, aside in (("from behind", 12.0), ("from the left", 4.0)):
        plane = cement_look._plane(name, fields)
        height, light = cement_look._surface(ball, plane)
        u, v = np.meshgrid(*plane.axes(0.5))
        at_u, at_v, above = plane.project(centre)
        assert float(at_u) == pytest.approx(aside - float(plane.right @ plane.origin_mm), abs=1e-6)
        rho = np.hypot(u - at_u, v - at_v)
        seen = rho < 0.85 * radius
        assert np.isfinite(height[seen]).all()
        assert not np.isfinite(height[rho > radius + 1.0]).any()
        assert height[seen] == pytest.approx(above + np.sqrt(radius**2 - rho[seen] ** 2), abs=0.8)
        assert light[seen] == pytest.approx(np.sqrt(1 - (rho[seen] / radius) ** 2), abs=0.1)


def test_from_behind_the_right_is_on_the_right() -> None:
    behind, left = (cement_look._plane(name, made.fields()) for name in ("from behind", "from the left"))
    assert behind.marks() == {"left": "L", "right": "R", "top": "S", "bottom": "I"}
    assert left.marks() == {"left": "A", "right": "P", "top": "S", "bottom": "I"}
    assert behind.normal == pytest.approx([0.0, -1.0, 0.0])
    assert left.normal == pytest.approx([-1.0, 0.0, 0.0])


def pixels(painter: CementPainter) -> np.ndarray:
    figure, _ = painter.draw()
    canvas: Any = figure.canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def test_tint_lies_on_the_patients_right_whatever_the_storage_order() -> None:
    target, fields = made.target(), made.fields()
    plain = pixels(CementPainter(made.case(), target, fields))
    turned = pixels(CementPainter(made.case("PIL"), target, fields))
    assert np.mean(np.abs(plain - turned) > 12) < 0.002
    # Amber: much red, little blue. The needle's tip lies 8 mm to the right: left of the middle in the axial picture.
    axial = plain[:, : plain.shape[1] // 3]
    amber = (axial[..., 0] - axial[..., 2] > 120) & (axial[..., 1] > 110)
    assert amber.sum() > 1000
    painter = CementPainter(made.case(), target, fields)
    plane = painter.planes()[0]
    middle = float(np.nonzero(amber)[1].mean() / axial.shape[1]) * plane.size_mm[0] + plane.u_mm[0]
    u, _, _ = plane.project(np.array(made.TIP))
    assert middle == pytest.approx(float(u), abs=4.0)


def test_legend_names_what_is_drawn() -> None:
    names = [row.name for row in view().targets[0].legend]
    for wanted in ("nominal cement (tint)", "probability of cement", "needle", "vertebral body", "canal"):
        assert wanted in names


def test_empty_volumes_and_flat_curves_can_be_drawn() -> None:
    """No cement, no canal, no needle, no limits, one instant: nothing to see is no reason to fail."""
    fields, target = made.fields(), made.target()
    assert target.curve is not None
    assert target.course is not None
    nothing = fields.fill.with_data(np.zeros_like(fields.fill.data))
    none = nothing.with_data(np.zeros(nothing.grid.shape, bool))
    empty = replace(fields, fill=nothing, probability=None, canal=none, lesion=none, needles={})
    flat = {name: [0.0] * len(line) for name, line in target.curve.probability.items()}
    curve = target.curve.model_copy(update={"probability": flat, "low": flat, "high": flat, "published": []})
    course = target.course.model_copy(update={k: v[:1] for k, v in target.course.model_dump().items()})
    curing = made.curing()
    cold = [
        s.model_copy(update={"ablation_peak_c": None, "warn_words": "none", "stop_words": "CEM43 10 min"})
        for s in curing.structures
    ]
    update = {"structures": cold, "delays": curing.delays[:1], "delay_needed_s": None, "published": []}
    strength = made.strength().model_copy(update={"volumes": [], "published": []})
    bleak = made.target(
        curve=curve, course=course, curing=curing.model_copy(update=update), strength=strength, safe=None, stops=[]
    )
    shown = cement_view(made.document(targets=[bleak]), (empty,), made.case())
    assert len(shown.pictures) == 8
    assert "Cement at target" in Page(render_cement(shown)).text
