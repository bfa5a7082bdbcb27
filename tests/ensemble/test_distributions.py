"""Distributions against scipy's, tables as a user writes them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vertherm.core.errors import InputError
from vertherm.ensemble.distributions import Space
from vertherm.ensemble.tables import parameter, read_space, space_of

U = np.linspace(0.0, 1.0, 41)


def row(kind: str, **numbers: Any) -> dict[str, Any]:
    return {"name": "p", "kind": kind, "source": "a test", "certainty": "guess", "unit": "1", **numbers}


REFERENCES = [
    (row("uniform", low=2.0, high=5.0, nominal=3), stats.uniform(2.0, 3.0)),
    (row("log-uniform", low=0.5, high=2.0, nominal=1), stats.loguniform(0.5, 2.0)),
    (row("normal", mean=1.0, sd=0.5, low=0.0, high=3.0, nominal=1), stats.truncnorm(-2.0, 4.0, 1.0, 0.5)),
    (row("triangular", low=1.0, mode=2.0, high=5.0, nominal=2), stats.triang(0.25, 1.0, 4.0)),
]


@pytest.mark.parametrize(("table", "reference"), REFERENCES)
def test_quantiles_are_scipys(table: dict[str, Any], reference: Any) -> None:
    """The same formula in two codes: equal to 1e-9 of the range over the whole cube, ends included."""
    found = [parameter(table).distribution.value(u) for u in U]
    np.testing.assert_allclose(found, reference.ppf(U), atol=1e-9 * 5)


def test_log_normal_is_a_normal_of_the_logarithm() -> None:
    """ln X ~ N(ln 1, ln 2) cut to ln 0.5 .. ln 4: scipy's truncnorm(-1, 2) scaled by ln 2."""
    found = [
        parameter(row("log-normal", median=1, factor_sd=2, low=0.5, high=4, nominal=1)).distribution.value(u) for u in U
    ]
    np.testing.assert_allclose(np.log(found), stats.truncnorm(-1.0, 2.0, 0.0, np.log(2.0)).ppf(U), atol=1e-9)


def test_choice_follows_its_weights() -> None:
    drawn = parameter(row("choice", values=["a", "b"], weights=[3, 1], nominal="a")).distribution
    found = [drawn.value(u) for u in (np.arange(1000) + 0.5) / 1000]
    assert found.count("a") == 750
    assert (drawn.value(0.0), drawn.value(1.0)) == ("a", "b")


WRONG = [
    (row("uniform", low=2.0, high=1.0, nominal=1), "p"),
    (row("uniform", low=2.0, nominal=1), "missing: high"),
    (row("uniform", low=0.0, high=1.0, nominal=1, colour="red"), "unknown keys: colour"),
    (row("uniform", low=0.0, high=1.0, nominal=7), "nominal value lies outside"),
    (row("uniform", low=0.0, high=float("nan"), nominal=0), "p, high"),
    (row("log-uniform", low=0.0, high=1.0, nominal=0.5), "positive numbers"),
    (row("normal", mean=1, sd=0, low=0, high=2, nominal=1), "positive spread"),
    (row("log-normal", median=1, factor_sd=1, low=0.5, high=2, nominal=1), "positive spread"),
    (row("triangular", low=0, mode=4, high=2, nominal=1), "between them"),
    (row("choice", values=["a", "a"], nominal="a"), "different values"),
    (row("choice", values=["a", "b"], weights=[1], nominal="a"), "weights"),
    (row("gamma", nominal=1), "Unknown kind"),
    (row("uniform", low=-1.0, high=1.0, nominal=0.5, minimum=0.0), "property is out of its range"),
    ({**row("uniform", low=0.0, high=1.0, nominal=0.5), "certainty": "sure"}, "certainty"),
    ({**row("uniform", low=0.0, high=1.0, nominal=0.5), "source": ""}, "source"),
]


@pytest.mark.parametrize(("table", "message"), WRONG)
def test_wrong_tables_are_refused_by_name(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parameter(table)
    assert "p" in caught.value.where


def space() -> Space:
    rows = [row("uniform", low=0.0, high=2.0, nominal=1) | {"name": name} for name in ("a", "b")]
    return space_of(rows)


def test_values_out_of_range_are_refused_by_name() -> None:
    assert space().checked({"a": 0.5}) == {"a": 0.5, "b": 1.0}
    with pytest.raises(InputError, match="property is out of its range") as caught:
        space().checked({"b": 2.5})
    assert "'b'" in caught.value.where
    with pytest.raises(InputError, match="Unknown parameter"):
        space().checked({"c": 1.0})
    with pytest.raises(InputError, match="Unknown parameter"):
        space().chosen(["a", "c"])
    with pytest.raises(InputError, match="wrong size"):
        space().sample([0.5])
    with pytest.raises(InputError, match="same name"):
        Space((*space().parameters, space().parameters[0]))


def test_replaced_keeps_the_order() -> None:
    other = parameter(row("uniform", low=0.0, high=9.0, nominal=1) | {"name": "a"})
    new = parameter(row("uniform", low=0.0, high=9.0, nominal=1) | {"name": "z"})
    found = space().replaced([new, other])
    assert found.names == ("a", "b", "z")
    assert found.parameters[0].distribution.high == 9.0


@pytest.mark.parametrize(
    ("text", "message"), [("[[parameter", "no TOML"), ("a = 1", "holds no"), (None, "cannot be read")]
)
def test_wrong_files_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "p.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_space(path)
