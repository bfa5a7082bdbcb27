"""Expected: Holm's factors 3, 2, 1 on a hand-made example, agreement with statsmodels, and tests that did not run left
out of the count."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from vertherm.core.errors import InputError
from vertherm.review.statistics.multiplicity import holm


def test_hand_made_example():
    # 3 x 0.01; 2 x 0.04; then 1 x 0.03 would come after 3 x 0.01: order by size 0.01, 0.03, 0.04.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_second_library():
    p = np.random.default_rng(2).uniform(size=40) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


def test_tests_that_did_not_run_do_not_count():
    found = holm([0.02, np.nan, 0.5])
    assert found[[0, 2]] == pytest.approx([0.04, 0.5])
    assert np.isnan(found[1])
    assert holm([]).size == 0


def test_what_is_no_p_value_is_refused():
    with pytest.raises(InputError, match="p-value"):
        holm([0.1, 1.2])
