"""The forward model on a coarse bench (4 mm cells, short times): layout, efficiency, start temperature, cool-down."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from vertherm.applicator.antenna import load_antenna
from vertherm.calibration.bench_phantom import BenchPhantom
from vertherm.calibration.forward import (
    BenchRun,
    Datum,
    Forward,
    Parameters,
    Task,
    cooled,
    runs_of,
    simulate,
    zone_size_mm,
)
from vertherm.calibration.measurements import Boundary, Condition
from vertherm.geometry.volume import Grid
from vertherm.heat.bioheat import BioheatSolver
from vertherm.heat.coupling import run_member
from vertherm.heat.member import Member
from vertherm.materials.drying import DryingAdjustment

LIVER = Condition("liver", 20.0, False, 40.0, "forward")
EDGE = Boundary.parse("isotherm 54", "test")


@pytest.fixture(scope="session")
def bench() -> BenchPhantom:
    return BenchPhantom(load_antenna("coaxial_slot"), 2.45e9, spacing_mm=4.0, resolve_every_s=60.0, reach_mm=30.0)


def zone(time_s: float, axis: str = "short axis", boundary: Boundary = EDGE, condition: Condition = LIVER) -> Datum:
    return Datum("zone", axis, condition, time_s, boundary, None, None, 20.0, 1.0, "mm")


def probe(at_s: float, on_s: float, r_mm: float = 10.0) -> Datum:
    return Datum("probe", "temperature", LIVER, on_s, None, (r_mm, 6.5), at_s, 40.0, 1.0, "degC")


def test_runs_share_what_they_can() -> None:
    """Zones of one condition and curves during heating: one run. A curve that goes on after switch-off: its own."""
    warm = Condition("liver", 37.0, True, 40.0, "forward")
    data = (zone(60.0), zone(120.0), probe(50.0, 90.0), probe(200.0, 90.0, 12.0), zone(60.0, condition=warm))
    runs = runs_of(data)
    assert [[n for n, _ in run.data] for run in runs] == [[0, 1, 2], [3], [4]]
    assert runs[0].marks_s == (60.0, 120.0)
    assert runs[1].marks_s == (90.0,)
    assert [run.pause_s for run in runs] == [0.0, 110.0, 0.0]


def test_setup_is_the_bench(bench: BenchPhantom) -> None:
    """Ex vivo: no blood flow, start temperature throughout; one activation between marks; tip at the origin."""
    setup = bench.setup(LIVER, (60.0, 90.0), efficiency=0.7, places_mm={"a": (8.0, 6.5)}, pause_s=30.0)
    assert [a.duration_s for a in setup.schedule.activations] == [60.0, 30.0]
    assert [a.pause_s for a in setup.schedule.activations] == [0.0, 30.0]
    assert setup.start_c == 20.0
    assert setup.tissue.palette[0].perfusion == 0.0
    assert setup.emitters[0].efficiency == 0.7
    np.testing.assert_allclose(setup.emitters[0].trajectory.axis, [0, 0, 1])
    np.testing.assert_allclose(setup.thermocouples["a"], [8.0, 0.0, 6.5])
    perfused = bench.tissue_map(Condition("liver", 37.0, True, 40.0, "forward"))
    assert perfused.palette[0].perfusion > 1e4


@pytest.fixture(scope="session")
def heated(bench: BenchPhantom) -> dict[str, np.ndarray]:
    """Three points of the forward model over zones at 60 and 120 s and a probe at 10 mm, before, at and after."""
    data = (zone(60.0), zone(60.0, "long axis"), zone(120.0), zone(120.0, "long axis"), probe(0.0, 120.0))
    forward = Forward(bench, (*data, probe(110.0, 120.0)))
    points = {"full": 1.0, "half": 0.5}
    found = dict(zip(points, forward([Parameters("water", e) for e in points.values()]), strict=True))
    assert forward.made == 2
    forward([Parameters("water", 0.5)])
    assert forward.made == 2, "a run is made once"
    return found


def test_zones_grow_with_time_and_efficiency(heated: dict[str, np.ndarray]) -> None:
    full, half = heated["full"], heated["half"]
    assert (full[2:4] > full[:2] + 1.0).all()
    assert (full[:4] > half[:4] + 1.0).all()
    assert (full[[1, 3]] > full[[0, 2]]).all(), "longer than wide"


def test_a_probe_starts_at_the_bench_temperature(heated: dict[str, np.ndarray]) -> None:
    """Without blood and body the probe starts at 20 degC, and its rise is nearly in proportion to the efficiency.

    10 mm from the antenna below 60 degC nothing is nonlinear but the conductivity's rise: ratio 2 within 10 %.
    """
    assert heated["full"][4] == pytest.approx(20.0, abs=0.01)
    rise = heated["full"][5] - 20.0, heated["half"][5] - 20.0
    assert rise[0] > 10.0
    assert rise[0] / rise[1] == pytest.approx(2.0, rel=0.1)


def test_looking_does_not_disturb_the_run(bench: BenchPhantom) -> None:
    """A zone's cool-down is followed in a copy: the run with many looks ends as the one without (bit by bit), and the
    zone of the copy is larger than at switch-off (heat goes on outwards), by less than 3 mm."""
    setup = bench.setup(LIVER, (30.0, 60.0))
    plain = run_member(setup, Member())
    looks: dict[float, tuple[float, float]] = {}

    def watch(solver: BioheatSolver) -> None:
        if solver.time_s not in looks and any(abs(solver.time_s - end) < 1e-6 for end in (30.0, 60.0)):
            other = cooled(solver, EDGE)
            assert other.time_s > solver.time_s
            assert other.hottest_c < EDGE.level < solver.hottest_c
            looks[solver.time_s] = (zone_size_mm(solver, bench.grid, EDGE)[0], zone_size_mm(other, bench.grid, EDGE)[0])

    looked = run_member(setup, Member(), watch)
    np.testing.assert_array_equal(looked.peak_c, plain.peak_c)
    np.testing.assert_array_equal(looked.temperature_c, plain.temperature_c)
    assert sorted(looks) == pytest.approx([30.0, 60.0])
    for before, after in looks.values():
        assert before + 0.02 < after < before + 3.0


def test_a_zone_of_known_size_is_measured() -> None:
    """A needle-shaped field whose level surface is an ellipsoid of 20 x 30 mm, as temperature and as dose.

    Cells of 2 mm; the dose grows tenfold a millimetre, so that a linear surface would lie 0.9 mm too far out.
    0.4 mm: where the zone is pointed, linear interpolation between cells cuts 0.3 mm off each pair of poles.
    """
    grid = Grid.isotropic(np.full(3, -24.0), np.full(3, 24.0), 2.0)
    x, y, z = np.moveaxis(grid.centres(), -1, 0)
    inside_mm = 10.0 * (1.0 - np.sqrt((x / 10) ** 2 + (y / 10) ** 2 + (z / 15) ** 2))
    solver = SimpleNamespace(peak_c=54.0 + 2.0 * inside_mm, omega=10.0**inside_mm)
    for boundary in (EDGE, Boundary.parse("arrhenius 1", "test")):
        short, long = zone_size_mm(solver, grid, boundary)  # type: ignore[arg-type]
        assert short == pytest.approx(20.0, abs=0.4)
        assert long == pytest.approx(30.0, abs=0.4)


def test_parameters_reach_the_drying_model() -> None:
    assert Parameters("sigmoid", 0.8, 5.0).adjustment == DryingAdjustment(shift_k=5.0)
    assert Parameters("water", 0.8, 0.2).adjustment == DryingAdjustment(floor=0.2)
    assert Parameters("water", 0.8).adjustment == DryingAdjustment()


def test_a_task_travels(bench: BenchPhantom) -> None:
    """Workers get tasks by pickle: the same numbers come back."""
    task = Task(bench, BenchRun(LIVER, ((0, zone(30.0)), (1, probe(20.0, 30.0))), 0.0), Parameters("sigmoid", 0.8, 5.0))
    np.testing.assert_array_equal(simulate(pickle.loads(pickle.dumps(task))), simulate(task))
