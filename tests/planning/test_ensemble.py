"""The sampled ensemble: what decides, what a failure does, maps with a known answer, the same numbers from any workers.

Rows are judged on made-up outcomes (no physics): the numbers are chosen so that every rule has one right answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.planning.conftest import ENTRY_MM, TIP_MM
from tests.planning.test_uncertainty import COARSE, case, setup, uncertainty
from vertherm.core.errors import InputError, SolverError
from vertherm.ensemble.order_statistics import share_interval
from vertherm.ensemble.runner import Outcome
from vertherm.heat.member import Member, members
from vertherm.planning.assess import assess
from vertherm.planning.assessment import Assessment, StructureRow
from vertherm.planning.case import Numerics
from vertherm.planning.draw_scene import make_scene
from vertherm.planning.ensemble_rows import Sampling
from vertherm.planning.envelope import BYTES_PER_CELL, Envelope
from vertherm.planning.evaluate import LesionOnGrid, failed_outcome
from vertherm.planning.limits import Circumstances, structure_row
from vertherm.planning.outcome import CoverageOutcome, MemberOutcome, StructureOutcome, ZoneOutcome
from vertherm.planning.percentiles import bounded, probability
from vertherm.planning.phantom import constant_power
from vertherm.planning.predict import CaseResult, plan_runs, predict
from vertherm.planning.protocol import default_protocol
from vertherm.planning.scene import Scene
from vertherm.planning.work import Fold, Task, Work, run_tasks

AROUND = Circumstances(switch_off_s=120.0, distances_mm={})
PROTOCOL = default_protocol()


def made(
    peak_c: float, *, sample: int = 0, reading: str = "", status: str = "settled", **changes: Any
) -> MemberOutcome:
    """An outcome whose structures all peak at ``peak_c`` and whose zone holds the lesion by 2 mm."""
    lesions = tuple(LesionOnGrid(t.name, t.mask) for t in case().targets)
    plain = failed_outcome(setup(), Member(), PROTOCOL, lesions, status)
    cover = changes.pop("cover", CoverageOutcome(1.0, 2.0, 0.1))
    return replace(
        plain,
        structures=dict.fromkeys(plain.structures, StructureOutcome(peak_c, 0.5, 10.0, 37.0)),
        coverage={name: dict.fromkeys(found, cover) for name, found in plain.coverage.items()},
        zones=dict.fromkeys(plain.zones, ZoneOutcome(5.0, 25.0, 20.0)),
        sample=sample, reading=reading,
        ledger=dict.fromkeys(plain.ledger, 0.0),
        **changes,
    )  # fmt: skip


def runs(peaks: list[float], **changes: Any) -> list[MemberOutcome]:
    """The nominal member at 38 degC, then each peak as a sample in both readings."""
    found = [made(38.0)]
    for number, peak in enumerate(peaks, 1):
        found += [made(peak, sample=number, reading=reading, **changes) for reading in ("safety", "coverage")]
    return found


def row(outcomes: list[MemberOutcome], name: str = "dural sac") -> StructureRow:
    return structure_row(case().anatomy.structure(name), outcomes, PROTOCOL, True, AROUND)


def test_59_samples_are_decided_by_their_largest() -> None:
    """58 samples at 40 degC, one at 44: its bound is 44 (warn from 43), the estimate of the percentile is below."""
    found = row(runs([40.0] * 58 + [44.0]))
    assert found.status == "warn"
    assert found.p95_temperature_c is not None
    assert (found.p95_temperature_c.bound, found.p95_temperature_c.estimate) == (44.0, pytest.approx(40.0))
    assert "Wilks" in found.p95_temperature_c.rule
    assert "95th percentile" in found.words


def test_93_samples_set_the_worst_aside() -> None:
    """92 at 40 degC and one at 50 (beyond stop): the second largest decides, green; the probability says 1 of 93."""
    found = row(runs([40.0] * 92 + [50.0]))
    assert found.status == "green"
    assert found.peak_temperature_c is not None
    assert found.peak_temperature_c.high == 50.0
    assert found.probability_stop is not None
    assert (found.probability_stop.events, found.probability_stop.samples) == (1, 93)
    assert found.probability_stop.low < 1 / 93 < found.probability_stop.high < 0.06


def test_the_nominal_run_counts_too() -> None:
    """93 samples at 40 degC, the nominal run at 46: no share of the samples outvotes what the case itself says."""
    found = row([made(46.0), *runs([40.0] * 93)[1:]])
    assert found.status == "stop"


def test_few_samples_are_decided_by_the_worst() -> None:
    found = row(runs([40.0] * 9 + [46.0]))
    assert found.status == "stop"
    assert "worst of 10 samples" in found.words
    assert found.p95_temperature_c is not None
    assert "fewer than 59" in found.p95_temperature_c.rule


def test_coverage_readings_do_not_count_for_safety() -> None:
    """Samples warm in their coverage reading only (impossible, but made up): the row stays green."""
    outcomes = [replace(o, structures=dict.fromkeys(o.structures, StructureOutcome(60.0, 500.0, 9.0, 37.0)))
                if o.reading == "coverage" else o for o in runs([40.0] * 59)]  # fmt: skip
    assert row(outcomes).status == "green"


def test_a_failed_sample_forbids_green() -> None:
    """60 samples, one without a result: 59 are enough for the bound, but the row is not assessed; its share widens."""
    outcomes = runs([40.0] * 60)
    outcomes[5] = made(37.0, sample=3, reading="safety", status="failed: SolverError: exploded")
    found = row(outcomes)
    assert found.status == "not assessed"
    assert found.p95_temperature_c is not None
    assert (found.p95_temperature_c.samples, found.p95_temperature_c.failed) == (59, 1)
    assert found.probability_stop is not None
    # The failed one may have broken the limit (1 of 60) or not (0 of 60): the interval holds both.
    assert found.probability_stop.high == pytest.approx(share_interval(1, 60)[1])
    assert found.probability_stop.low == 0.0
    broken = [replace(o, status="failed: x") if i == 5 else o for i, o in enumerate(runs([46.0] * 60))]
    assert row(broken).status == "stop", "a broken limit stays broken"


def test_percentiles_of_nothing_are_none() -> None:
    assert bounded([]) is None
    assert probability([]) is None


def assessed(outcomes: list[MemberOutcome], envelope: Envelope) -> tuple[Assessment, Scene]:
    treatment = constant_power(15.0, 120.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    numbers = sorted({o.sample for o in outcomes if o.sample})
    sampling = Sampling(uncertainty().space, {n: uncertainty().space.nominal for n in numbers}, 7)
    found = assess(
        case(), treatment, PROTOCOL, COARSE, setup(), outcomes, [], [], {}, {}, envelope, sampling if numbers else None
    )
    return found, make_scene(case(), treatment, PROTOCOL, setup(), outcomes, found, envelope)


def test_margin_is_decided_by_the_fifth_percentile() -> None:
    """92 samples with 6 mm, one with -1 mm: the second smallest decides (6 mm, covered with margin); 92 of 93 cover.

    With 59, the smallest decides: not covered. A sample without a zone is worse than any margin.
    """
    envelope = Envelope(PROTOCOL.metrics)
    envelope.add(made(38.0).fields, count=False)
    good, bad = CoverageOutcome(1.0, 6.0, 0.1), CoverageOutcome(0.9, -1.0, 0.1)

    def target(n: int, worst: CoverageOutcome) -> Any:
        outcomes = runs([40.0] * n, cover=good)
        outcomes[-1] = made(40.0, sample=n, reading="coverage", cover=worst)
        return assessed(outcomes, envelope)[0].targets[0]

    many = target(93, bad)
    assert many.status == "covered with margin"
    metric = next(m for m in many.metrics if m.metric == many.deciding_metric)
    assert (metric.p5_margin_mm.bound, metric.minimal_margin_mm.low) == (6.0, -1.0)
    assert (metric.probability_covered.events, metric.probability_margin.events) == (92, 92)
    assert target(59, bad).status == "not covered"
    lost = runs([40.0] * 60, cover=good)
    lost[-1] = made(37.0, sample=60, reading="coverage", status="failed: exploded", cover=good)
    assert assessed(lost, envelope)[0].targets[0].status == "not covered", "what it would have shown is not known"
    assert target(59, CoverageOutcome(0.0, None, None)).status == "no zone"


def test_assessment_of_an_ensemble_says_what_was_run() -> None:
    envelope = Envelope(PROTOCOL.metrics)
    envelope.add(made(38.0).fields, count=False)
    outcomes = runs([40.0] * 59)
    outcomes[3] = made(37.0, sample=2, reading="safety", status="failed: lost worker: died 3 times")
    found, _ = assessed(outcomes, envelope)
    assert found.ensemble is not None
    assert (found.ensemble.samples, found.ensemble.runs, found.ensemble.seed) == (59, 119, 7)
    assert [(r.member, r.status) for r in found.ensemble.failed] == [
        ("sample 2, safety", "failed: lost worker: died 3 times")
    ]
    assert found.verdict == "not assessed"
    assert any("1 of 119 runs are incomplete" in note for note in found.notes)
    assert Assessment.model_validate_json(found.model_dump_json()) == found


# maps


def test_probability_map_of_known_members() -> None:
    """Ten members with zones of 1..10 cells along x: cell i is held by 10 - i of them; smallest 1, largest 10 cells."""
    envelope = Envelope(PROTOCOL.metrics)
    x = np.arange(12)[:, None, None] * np.ones((12, 3, 3))
    for size in (3, 10, 1, 7, 2, 9, 4, 6, 8, 5):
        hot = np.where(x < size, 70.0, 38.0).astype(np.float32)
        envelope.add({"peak_c": hot, "cem43_min": hot * 100, "omega": hot / 70})
    expected = np.clip(10 - x, 0, 10) / 10
    for metric in ("isotherm_50", "isotherm_60", "arrhenius_1"):
        np.testing.assert_allclose(envelope.share(metric), expected, atol=1e-7)
    assert np.count_nonzero(envelope.smallest["peak_c"] > 50) == 9
    assert np.count_nonzero(envelope.largest["peak_c"] > 50) == 90


def test_memory_of_the_envelope_does_not_grow_with_members() -> None:
    """34 bytes a cell, after one member and after twenty."""
    envelope = Envelope(PROTOCOL.metrics)
    shape = (20, 20, 20)
    for _ in range(20):
        envelope.add({name: np.full(shape, 40.0, np.float32) for name in ("peak_c", "cem43_min", "omega")})
        held = sum(a.nbytes for d in (envelope.smallest, envelope.largest, envelope.counts) for a in d.values())  # type: ignore[attr-defined]
        assert held == BYTES_PER_CELL * 20**3


# tasks


def fake(task: Task, work: Work) -> list[MemberOutcome]:
    """Instead of physics: sample 2 fails, the others lie in the zone everywhere."""
    plain = failed_outcome(work.setup, Member(), work.protocol, (), "settled")
    if task.sample is None:
        return [plain]
    if task.number == 2:
        raise SolverError("exploded", where="step 7")
    shape = work.setup.tissue.grid.shape
    hot = {name: np.full(shape, 1e4, np.float32) for name in ("peak_c", "cem43_min", "omega")}
    return [
        replace(plain, sample=task.number, reading=reading, fields=hot if reading == "coverage" else {})
        for reading in ("safety", "coverage")
    ]


def test_failures_are_listed_and_stop_nothing() -> None:
    """Four samples, one raises: it is named in both readings, the three others are counted."""
    space = uncertainty().space
    work = Work(setup(), PROTOCOL, (), uncertainty())
    tasks = [Task(), *(Task(number=i, sample=space.nominal) for i in range(1, 5))]
    outcomes, envelope = run_tasks(work, tasks, workers=1, function=fake)
    assert len(outcomes) == 9
    failed = [o for o in outcomes if o.failed]
    assert [o.name for o in failed] == ["sample 2, safety", "sample 2, coverage"]
    assert "exploded" in failed[0].status
    assert envelope.members == 3
    assert float(envelope.share("isotherm_50").min()) == 1.0
    assert all(not o.fields for o in outcomes[1:]), "only the nominal member keeps its fields"


def test_a_lost_worker_is_a_failed_sample() -> None:
    """What the runner says of a process that died each time (tests/ensemble) becomes two failed outcomes."""
    work = Work(setup(), PROTOCOL, (), uncertainty())
    tasks = [Task(), Task(number=1, sample=uncertainty().space.nominal)]
    fold = Fold(work, tasks, Envelope(PROTOCOL.metrics))
    found = fold(Outcome(1, error="lost worker: the process that ran it died 3 times", lost_worker=True))
    assert [(o.name, o.failed) for o in found] == [("sample 1, safety", True), ("sample 1, coverage", True)]
    assert "died 3 times" in found[0].status
    assert fold.envelope.members == 0


def fails(task: Task, work: Work) -> list[MemberOutcome]:
    raise InputError("Unusable.", where="somewhere") if task.number == 0 else SolverError("exploded")


def test_wrong_input_of_a_standard_member_is_an_error() -> None:
    with pytest.raises(InputError, match="Unusable"):
        run_tasks(Work(setup(), PROTOCOL, ()), [Task()], workers=1, function=fails)


def test_same_seed_same_samples_and_a_longer_run_begins_alike() -> None:
    treatment = constant_power(15.0, 120.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)

    def planned(n: int, seed: int) -> list[Task]:
        numerics = COARSE.model_copy(update={"ensemble": n, "ensemble_seed": seed})
        return plan_runs(case(), treatment, PROTOCOL, numerics, setup(), ())[1]

    numerics = COARSE.model_copy(update={"ensemble": 4, "ensemble_seed": 1})
    some = plan_runs(case(), treatment, PROTOCOL, numerics, setup(), (), only=(2, 4))[1]
    assert some == [planned(4, 1)[n] for n in (0, 2, 4)], (
        "the nominal run, and the samples asked for with their numbers"
    )
    assert planned(4, 1) == planned(4, 1)
    assert planned(6, 1)[:5] == planned(4, 1)
    assert planned(4, 1)[1].sample != planned(4, 2)[1].sample
    standard = plan_runs(case(), treatment, PROTOCOL, COARSE, setup(), ())[1]
    assert [task.member for task in standard] == list(members(PROTOCOL.local_sar.factor))


def _predicted(workers: int) -> CaseResult:
    numerics = Numerics(spacing_mm=3.0, reach_mm=30.0, resolve_every_s=60.0, ensemble=2, ensemble_seed=5)
    treatment = constant_power(15.0, 60.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM)
    return predict(case(), treatment, PROTOCOL, numerics, workers=workers)


def test_one_and_two_workers_give_the_same_numbers() -> None:
    """Two samples in both readings and the nominal run: every number of the assessment and of the map, bit by bit."""
    one, two = _predicted(1), _predicted(2)
    for result in (one, two):
        assert len(result.outcomes) == 5
        assert result.assessment.ensemble is not None
        assert not result.assessment.ensemble.failed
    drop = {"timings_s", "members", "provenance"}
    assert one.assessment.model_dump(exclude=drop) == two.assessment.model_dump(exclude=drop)
    for a, b in zip(one.scene.probabilities, two.scene.probabilities, strict=True):
        assert a.samples == 2
        np.testing.assert_array_equal(a.share.data, b.share.data)
    for a, b in zip(one.scene.zones, two.scene.zones, strict=True):
        np.testing.assert_array_equal(a.smallest.data, b.smallest.data)
    safety, coverage = one.outcomes[1], one.outcomes[2]
    assert (safety.member.cooling, coverage.member.cooling) == ("none", "full")
    assert safety.zones["cem43_240"].volume_ml >= coverage.zones["cem43_240"].volume_ml


def test_samples_and_chosen_members_exclude_each_other() -> None:
    with pytest.raises(InputError, match="exclude each other"):
        predict(
            case(), constant_power(1.0, 5.0, tip_mm=TIP_MM, entry_mm=ENTRY_MM), PROTOCOL,
            COARSE.model_copy(update={"ensemble": 2}), run_members=(Member(),),
        )  # fmt: skip
