"""What is uncertain in a prediction, and what one sample of it changes: setup, member and labels.

Every sample is run in two readings. **Safety**: vessels and CSF cool nothing, perfusion does not rise, local SAR in
neural structures as drawn. **Coverage**: they cool perfectly, perfusion rises, no local factor. How much they really
cool is not known; the two ends hold it between them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertherm.core.errors import InputError
from vertherm.ensemble.distributions import Parameter, Sample, Space, Value
from vertherm.ensemble.tables import read_space, space_of
from vertherm.geometry.trajectory import Trajectory
from vertherm.heat.member import Member
from vertherm.heat.setup import Setup
from vertherm.imaging.anatomy import Anatomy
from vertherm.materials.constants import constants
from vertherm.materials.dielectric import Dielectric
from vertherm.materials.tissue import TissueProperties, tissue_names
from vertherm.planning.protocol import Protocol

Reading = Literal["safety", "coverage"]
READINGS: tuple[Reading, ...] = ("safety", "coverage")
TISSUE_FIELDS = (
    "density",
    "heat_capacity",
    "conductivity",
    "perfusion",
    "water_fraction",
    "permittivity",
    "electric_conductivity",
)
CHANGES = (
    "tissue factor",
    "body temperature",
    "power factor",
    "power reading",
    "drying model",
    "drying shift",
    "drying floor",
    "cooling",
    "tip",
    "labels",
    "derived",
    "damage shift",
    "local SAR factor",
)
"""What the ``effect`` of a parameter may change."""
NOT_MOVED = frozenset({"skin"})
"""Kinds of structure whose outline the image itself shows: no label offset."""


@cache
def default_space() -> Space:
    """The parameters that ship with the package: defaults of ours."""
    with resources.as_file(resources.files("vertherm.planning") / "data" / "uncertainty.toml") as path:
        return load_space(path)


def load_space(path: Path) -> Space:
    """Uncertain parameters from a TOML file of the same form as the default one.

    Raises:
        InputError: the file or one of its entries is wrong.
    """
    return checked_space(read_space(path), str(path))


def space_for(protocol: Protocol) -> Space:
    """The default parameters, with those that the protocol's ``[[uncertainty]]`` tables change or add.

    Raises:
        InputError: a table is wrong; says which parameter and why.
    """
    if not protocol.uncertainty:
        return default_space()
    where = f"protocol {protocol.name!r}"
    known = {p.name: p for p in default_space().parameters}
    rows = []
    for row in protocol.uncertainty:
        # A changed range need not repeat what the parameter is and does.
        old = known.get(str(row.get("name")))
        kept = {"effect": old.effect, "unit": old.unit, "nominal": old.nominal} if old is not None else {}
        rows.append({**kept, **row})
    return checked_space(default_space().replaced(space_of(rows, where).parameters), where)


def checked_space(space: Space, where: str = "uncertain parameters") -> Space:
    """``space`` after a check that every parameter changes something that exists, within bounds that make sense.

    Raises:
        InputError: an unknown effect, field or tissue, or a range without physical sense; names the parameter.
    """
    for parameter in space.parameters:
        here = f"{where}: {parameter.name}"
        change = parameter.effect.get("change")
        if change not in CHANGES:
            raise InputError("Unknown effect of a parameter.", where=here, got=change, expected=", ".join(CHANGES))
        if change == "tissue factor":
            _check_tissue(parameter, here)
        if change in ("tip", "labels", "derived") and parameter.effect.get("axis") not in (0, 1, 2):
            raise InputError("An offset needs an axis.", where=here, expected="axis = 0 (right), 1 (front), 2 (up)")
        _check_choice(parameter, str(change), here)
    return space


def _check_tissue(parameter: Parameter, where: str) -> None:
    effect = parameter.effect
    if effect.get("field") not in TISSUE_FIELDS:
        raise InputError("Unknown property.", where=where, got=effect.get("field"), expected=", ".join(TISSUE_FIELDS))
    unknown = sorted(set(effect.get("tissues", ())) - set(tissue_names()))
    if unknown or not effect.get("tissues"):
        raise InputError("Unknown tissues.", where=where, got=unknown or "none", expected=", ".join(tissue_names()))
    if not parameter.distribution.low > 0:
        raise InputError("A property is out of its range.", where=where, got=parameter.distribution.words,
                         expected="factors above 0")  # fmt: skip


_OPTIONS = {
    "power reading": {"forward", "net"},
    "drying model": {"water", "sigmoid"},
    "cooling": {"none", "full"},
}


def _check_choice(parameter: Parameter, change: str, where: str) -> None:
    options = _OPTIONS.get(change)
    chosen = set(parameter.distribution.values)
    if (parameter.distribution.kind == "choice") != (options is not None) or not chosen <= (options or set()):
        expected = f"a choice of {', '.join(sorted(options))}" if options else "numbers"
        got = ", ".join(sorted(chosen)) or "numbers"
        raise InputError("A parameter has the wrong kind of distribution.", where=where, got=got, expected=expected)


@dataclass(frozen=True, eq=False)
class Drawn:
    """One sample as the solver sees it.

    Args:
        setup: changed copy; large arrays that did not change are shared.
        member: model choices.
        label_offset_mm: how far the lesion's outline moved, RAS mm.
    """

    setup: Setup
    member: Member
    label_offset_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The uncertain parameters of one case; picklable.

    Args:
        space: those that change anything in this case.
        derived: names of structures that a rule placed.
        fixed: names of structures that no label offset moves.
    """

    space: Space
    derived: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    @staticmethod
    def of(setup: Setup, anatomy: Anatomy | None = None, space: Space | None = None) -> Uncertainty:
        """Parameters of ``space`` (default: ours) that matter for ``setup``."""
        structures = anatomy.structures if anatomy is not None else ()
        derived = frozenset(s.name for s in structures if s.derived)
        fixed = frozenset(s.name for s in structures if s.kind.value in NOT_MOVED)
        kept = [p for p in (space or default_space()).parameters if _matters(p, setup, derived, fixed)]
        return Uncertainty(Space(tuple(kept)), derived, fixed)

    def draw(self, setup: Setup, sample: Mapping[str, Value]) -> Drawn:
        """Apply one sample; the member has the sample's cooling, see :func:`in_reading` for the others.

        Args:
            setup: the nominal setup.
            sample: values by parameter; what is left out keeps its nominal value.

        Raises:
            InputError: an unknown parameter, or a value out of its range; names it.
        """
        change = _Change(setup, self.derived, self.fixed)
        values = self.space.checked(sample)
        for parameter in self.space.parameters:
            change.apply(parameter, values[parameter.name])
        return change.drawn()


def in_reading(member: Member, reading: Reading, local_factor: float = 1.0) -> Member:
    """The member as one reading has it: "safety" cools nothing; "coverage" cools fully and knows no local factor.

    Args:
        member: of the sample.
        reading: which.
        local_factor: the protocol's local SAR factor, 1 once a full-wave check has run. A known excess is held at its
            value: drawn at random, an ensemble could be greener than the standard members.
    """
    if reading == "safety":
        return replace(member, cooling="none", sar_factor=max(member.sar_factor, local_factor))
    return replace(member, cooling="full", sar_factor=1.0)


def draw(setup: Setup, sample: Mapping[str, Value], *, space: Space | None = None) -> tuple[Setup, Member]:
    """Setup and member of one sample: :meth:`Uncertainty.draw` without anatomy (no structure counts as derived).

    Raises:
        InputError: see :meth:`Uncertainty.draw`.
    """
    drawn = Uncertainty(space or default_space()).draw(setup, sample)
    return drawn.setup, drawn.member


def _matters(parameter: Parameter, setup: Setup, derived: frozenset[str], fixed: frozenset[str]) -> bool:
    change = parameter.effect["change"]
    if change == "tissue factor":
        return any(entry.name in parameter.effect["tissues"] for entry in setup.tissue.palette)
    if change == "derived":
        return bool(derived & set(setup.probes))
    if change == "labels":
        return bool(set(setup.probes) - fixed)
    if change == "power reading":
        return setup.power_kind != "net"  # a net power was measured as such: nothing to read in two ways
    if change == "local SAR factor":
        return not setup.full_wave and setup.neural_cells.size > 0
    return True


class _Change:
    """Collects what the parameters of one sample change."""

    def __init__(self, setup: Setup, derived: Collection[str], fixed: Collection[str]) -> None:
        self.setup, self.derived, self.fixed = setup, derived, fixed
        self.factors: list[tuple[str, frozenset[str], float]] = []
        self.fields: dict[str, Any] = {}
        self.member: dict[str, Any] = {"drying": "water", "power": "forward", "cooling": "none", "sar_factor": 1.0}
        self.tip_mm, self.labels_mm, self.derived_mm = np.zeros(3), np.zeros(3), np.zeros(3)
        if setup.power_kind == "net":
            self.member["power"] = "net"

    def apply(self, parameter: Parameter, value: Value) -> None:
        """Take one parameter into account."""
        effect = parameter.effect
        change = effect["change"]
        if change == "tissue factor":
            self.factors.append((effect["field"], frozenset(effect["tissues"]), float(value)))
        elif change in ("tip", "labels", "derived"):
            offset = {"tip": self.tip_mm, "labels": self.labels_mm, "derived": self.derived_mm}[change]
            offset[effect["axis"]] += float(value)
        elif change in ("power reading", "drying model", "cooling", "local SAR factor"):
            key = {"power reading": "power", "drying model": "drying", "local SAR factor": "sar_factor"}
            self.member[key.get(change, change)] = value
        else:
            self._number(change, float(value))

    def _number(self, change: str, value: float) -> None:
        setup = self.setup
        if change == "body temperature":
            # A bench phantom starts where it starts; a patient's temperature moves with the sample.
            if setup.start_c is None:
                self.fields["start_c"] = value
        elif change == "power factor":
            self.fields["power_factor"] = setup.power_factor * value
        elif change == "damage shift":
            self.fields["damage_shift_k"] = setup.damage_shift_k + value
        elif change == "drying shift":
            self._drying(shift_k=setup.drying.shift_k + value)
        elif change == "drying floor":
            floor = constants("drying_floor").value if setup.drying.floor is None else setup.drying.floor
            self._drying(floor=min(floor * value, 1.0))

    def _drying(self, **changes: float) -> None:
        self.fields["drying"] = replace(self.fields.get("drying", self.setup.drying), **changes)

    def drawn(self) -> Drawn:
        """The changed setup and member."""
        setup = self.setup
        if self.factors:
            palette = tuple(_scaled(entry, self.factors) for entry in setup.tissue.palette)
            self.fields["tissue"] = replace(setup.tissue, palette=palette)
        if self.tip_mm.any():
            self.fields["emitters"] = tuple(
                replace(e, trajectory=Trajectory(e.trajectory.entry_mm, e.trajectory.tip_mm + self.tip_mm))
                for e in setup.emitters
            )
        if self.labels_mm.any() or self.derived_mm.any():
            self.fields["probes"], self.fields["neural_cells"] = self._moved()
        if setup.full_wave:
            self.member["sar_factor"] = 1.0
        return Drawn(replace(setup, **self.fields), Member(**self.member), self.labels_mm)

    def _moved(self) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
        """Cells of every structure and the neural cells after the label offsets, to the nearest cell."""
        setup = self.setup
        probes, neural = {}, []
        for name, cells in setup.probes.items():
            offset = np.zeros(3) if name in self.fixed else self.labels_mm
            if name in self.derived:
                offset = offset + self.derived_mm
            probes[name] = shifted(cells, setup.tissue.grid.shape, offset / (setup.tissue.spacing_m * 1e3))
            if np.isin(cells, setup.neural_cells).all():
                neural.append(probes[name])
        return probes, np.unique(np.concatenate(neural)) if neural else setup.neural_cells


def shifted(cells: NDArray[np.int64], shape: Sequence[int], offset: NDArray[np.float64]) -> NDArray[np.int64]:
    """Flat cells moved by ``offset`` cells, rounded; those that leave the grid are dropped, unless all would."""
    step = np.rint(offset).astype(int)
    if not step.any():
        return cells
    moved = np.stack(np.unravel_index(cells, tuple(shape)), axis=-1) + step
    inside = ((moved >= 0) & (moved < np.array(shape))).all(axis=1)
    if not inside.any():
        return cells
    return np.ravel_multi_index(tuple(moved[inside].T), tuple(shape)).astype(np.int64)


@dataclass(frozen=True)
class ScaledDielectric:
    """A dielectric with factors on its permittivity (never below 1) and conductivity."""

    base: Dielectric
    permittivity: float
    conductivity: float

    def at(self, frequency_hz: float) -> tuple[float, float]:
        """Relative permittivity and conductivity in S/m at ``frequency_hz``."""
        eps, sigma = self.base.at(frequency_hz)
        return max(eps * self.permittivity, 1.0), sigma * self.conductivity


def _scaled(entry: TissueProperties, factors: Sequence[tuple[str, frozenset[str], float]]) -> TissueProperties:
    product = dict.fromkeys(TISSUE_FIELDS, 1.0)
    for field, tissues, factor in factors:
        if entry.name in tissues:
            product[field] *= factor
    changes: dict[str, Any] = {
        field: getattr(entry, field) * factor
        for field, factor in product.items()
        if factor != 1.0 and not field.startswith(("permittivity", "electric"))
    }
    if "water_fraction" in changes:
        changes["water_fraction"] = min(changes["water_fraction"], 1.0)
    if product["permittivity"] != 1.0 or product["electric_conductivity"] != 1.0:
        changes["dielectric"] = ScaledDielectric(
            entry.dielectric, product["permittivity"], product["electric_conductivity"]
        )
    return replace(entry, **changes) if changes else entry


def in_words(sample: Sample) -> dict[str, Value]:
    """A sample with four digits, for a table."""
    return {name: float(f"{v:.4g}") if isinstance(v, float) else v for name, v in sample.items()}
