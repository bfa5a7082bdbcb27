from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertherm.applicator.power import PowerChain, PowerKind
from vertherm.core.errors import InputError


def test_budget_of_a_60_w_generator():
    """Formula: cable 1 dB leaves 10^-0.1 = 0.7943; |S11|^2 = 0.1; 0.85 of forward absorbed. Hand values, 1e-4."""
    budget = PowerChain(1.0, 0.1, 0.85).budget(60.0, "set")
    assert budget.forward_w == pytest.approx(47.660, abs=1e-3)
    assert budget.reflected_w == pytest.approx(4.7660, abs=1e-3)
    assert budget.net_w == pytest.approx(42.894, abs=1e-3)
    assert budget.absorbed_w == pytest.approx(40.511, abs=1e-3)
    assert budget.cable_loss_w == pytest.approx(12.340, abs=1e-3)


@given(
    power=st.floats(0.1, 200),
    cable=st.floats(0, 6),
    reflection=st.floats(0, 0.95),
    share=st.floats(0.05, 1),
    kind=st.sampled_from(list(PowerKind)),
)
def test_any_kind_comes_back_as_itself(power, cable, reflection, share, kind):
    budget = PowerChain(cable, reflection, share).budget(power, kind)
    assert budget.of(kind) == pytest.approx(power, rel=1e-9)
    assert budget.set_w >= budget.forward_w >= budget.net_w
    assert budget.set_w == pytest.approx(budget.cable_loss_w + budget.reflected_w + budget.net_w, rel=1e-9)


def test_chain_of_a_solution(choke_in_bone):
    chain = PowerChain.of(choke_in_bone, 0.0)
    budget = chain.budget(15.2, "forward")
    assert budget.net_w == pytest.approx(15.2 * choke_in_bone.net_w, rel=1e-6)
    assert budget.absorbed_w == pytest.approx(15.2 * choke_in_bone.absorbed_w)


@pytest.mark.parametrize("arguments", [(-1.0, 0.1, 0.9), (0.0, 1.0, 0.9), (0.0, 0.1, 0.0)])
def test_unphysical_chains_are_refused(arguments):
    with pytest.raises(InputError, match="unphysical"):
        PowerChain(*arguments)


def test_negative_power_and_unknown_kinds_are_refused():
    chain = PowerChain(1.0, 0.1, 0.85)
    with pytest.raises(InputError, match="negative"):
        chain.budget(-1.0, "net")
    with pytest.raises(InputError, match="negative"):
        chain.budget(float("nan"), "net")
    with pytest.raises(InputError, match="Unknown kind"):
        chain.budget(1.0, "mean")
