"""Expected: every result names methods that exist, each described and cited once, with the version of what did it."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

from vertherm.review.statistics import methods
from vertherm.review.statistics.clustered import clustered_proportion
from vertherm.review.statistics.competing import aalen_johansen
from vertherm.review.statistics.fine_gray import fine_gray
from vertherm.review.statistics.gray import gray_test
from vertherm.review.statistics.longitudinal import gee, mixed_model
from vertherm.review.statistics.paired import paired_change
from vertherm.review.statistics.proportion import proportion
from vertherm.review.statistics.result import ModelFit
from vertherm.review.statistics.summary import summarise
from vertherm.review.statistics.worst_rank import responder_sensitivity, worst_rank


def every_result():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 120))
    time, event, group = rng.exponential(size=120), rng.integers(0, 3, 120), rng.integers(0, 2, 120)
    rows = (np.repeat(np.arange(60), 2), np.tile(["before", "later"], 60), x, "before")
    return [
        summarise(x), proportion(3, 9), paired_change(x, y), paired_change(x[:30], y[:30]), worst_rank(x, y, group),
        clustered_proportion(group, np.repeat(np.arange(60), 2)), mixed_model(*rows), gee(*rows),
        aalen_johansen(time, event),
        gray_test(time, event, group), fine_gray(time, event, x, ["x"]), responder_sensitivity(group, group),
    ]  # fmt: skip


def test_results_name_methods_that_exist_and_all_methods_are_named():
    named = {name for result in every_result() for name in result.methods} | {"holm"}
    assert named == set(methods.METHODS)


def test_each_method_and_citation_once_in_a_fixed_order():
    found = methods.describe(["gee", "summary", "mixed_model", "gee"])
    assert [one.id for one in found] == ["summary", "mixed_model", "gee"]
    cited = methods.references(["clustered_proportion", "gee"])
    assert len(cited) == len(set(cited)) == 3
    assert all(one.sentence.endswith(".") and one.call for one in methods.METHODS.values())


def test_versions_are_those_installed():
    found = methods.versions(["hodges_lehmann"])
    assert found["numpy"] == version("numpy")
    assert list(found) == ["vertherm", "numpy", "scipy"]
    with pytest.raises(KeyError):
        methods.describe(["astrology"])


def test_a_model_finds_its_rows_by_name():
    fit = next(one for one in every_result() if isinstance(one, ModelFit))
    assert fit.row("later").term == "later"
    with pytest.raises(KeyError):
        fit.row("never")
    with pytest.raises(KeyError):
        fit.detail("never")
