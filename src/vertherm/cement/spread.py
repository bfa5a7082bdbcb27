"""What is uncertain about where cement goes: one sample, and the space that samples are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

from vertherm.ensemble.distributions import Distribution, Parameter, Sample, Space
from vertherm.materials.bone_density import flow_constant
from vertherm.materials.quantity import Quantity

SEEDS = 2**31 - 1


@dataclass(frozen=True)
class FlowSample:
    """One draw. Names follow ``materials/data/bone_flow.csv``; the nominal one has every factor 1 and an even medium.

    Args:
        permeability_factor: on the permeability of the trabecular bone.
        heterogeneity_sd: of the logarithm of the permeability from place to place; 0: even.
        seed: of that variation.
        density_error_mg_cm3: of the calibration, the same everywhere.
        lesion_permeability_m2, lesion_porosity, ablated_factor: see the table.
        shell_permeability_m2: of intact cortex and endplate.
        shell_density_mg_cm3: below it the shell counts as destroyed.
        basivertebral_radius_mm, segmental_radius_mm: of the modelled veins.
        marrow_viscosity_pa_s, drainage_mm: what is pushed ahead of the cement.
        viscosity_factor: on the cement's viscosity.
        tip_mm: how far the needle's tip lies from where it is wanted, RAS.
    """

    permeability_factor: float
    heterogeneity_sd: float
    seed: int
    density_error_mg_cm3: float
    lesion_permeability_m2: float
    lesion_porosity: float
    ablated_factor: float
    shell_permeability_m2: float
    shell_density_mg_cm3: float
    basivertebral_radius_mm: float
    segmental_radius_mm: float
    marrow_viscosity_pa_s: float
    drainage_mm: float
    viscosity_factor: float
    tip_mm: tuple[float, float, float]

    @staticmethod
    def of(sample: Sample) -> FlowSample:
        """From a sample of :func:`flow_space`."""

        def value(name: str) -> float:
            return float(sample[name])

        permeability = flow_constant("permeability_reference").value
        return FlowSample(
            permeability_factor=value("trabecular permeability") / permeability,
            heterogeneity_sd=value("heterogeneity"),
            seed=int(value("pattern") * SEEDS),
            density_error_mg_cm3=value("density error"),
            lesion_permeability_m2=value("lesion permeability"),
            lesion_porosity=value("lesion porosity"),
            ablated_factor=value("ablated lesion"),
            shell_permeability_m2=value("shell permeability"),
            shell_density_mg_cm3=value("shell density"),
            basivertebral_radius_mm=value("basivertebral vein"),
            segmental_radius_mm=value("segmental veins"),
            marrow_viscosity_pa_s=value("marrow viscosity"),
            drainage_mm=value("drainage length"),
            viscosity_factor=value("cement viscosity"),
            tip_mm=(value("tip right"), value("tip anterior"), value("tip superior")),
        )


def flow_space(*, density_error_mg_cm3: float, tip_error_mm: float, tip_source: str) -> Space:
    """The uncertain parameters of a fill.

    Args:
        density_error_mg_cm3: standard error of the density calibration.
        tip_error_mm: standard deviation of the tip's place, each direction.
        tip_source: where that comes from.
    """
    rows = [_from_table(label, name, kind) for label, name, kind in _TABLE]
    error = max(density_error_mg_cm3, 1e-6)
    rows.append(
        Parameter(
            "density error",
            Distribution("normal", -3.0 * error, 3.0 * error, 0.0, error),
            0.0,
            "mg/cm3",
            "standard error of the density calibration of this scan",
            "D",
        )
    )
    rows.append(
        Parameter(
            "cement viscosity",
            Distribution("log-normal", 0.4, 2.5, 1.0, 1.4),
            1.0,
            "1",
            "mixing, powder ratio and room differ; our proposal",
            "guess",
        )
    )
    sd = max(tip_error_mm, 1e-6)
    rows += [
        Parameter(f"tip {side}", Distribution("normal", -3.0 * sd, 3.0 * sd, 0.0, sd), 0.0, "mm", tip_source, "S")
        for side in ("right", "anterior", "superior")
    ]
    rows.append(
        Parameter("pattern", Distribution("uniform", 0.0, 1.0), 0.5, "1", "seed of the variation in space", "D")
    )
    return Space(tuple(rows))


def nominal_sample(space: Space) -> FlowSample:
    """Every parameter at its nominal value, in an even medium."""
    return FlowSample.of({**space.nominal, "heterogeneity": 0.0})


_TABLE = (
    ("trabecular permeability", "permeability_reference", "log"),
    ("heterogeneity", "heterogeneity_sd", "even"),
    ("lesion permeability", "lesion_permeability", "log"),
    ("lesion porosity", "lesion_porosity", "even"),
    ("ablated lesion", "ablated_factor", "log"),
    ("shell permeability", "shell_permeability", "log"),
    ("shell density", "shell_density", "even"),
    ("basivertebral vein", "basivertebral_radius", "even"),
    ("segmental veins", "segmental_radius", "even"),
    ("marrow viscosity", "marrow_viscosity", "log"),
    ("drainage length", "drainage_length", "log"),
)


def _from_table(label: str, name: str, kind: str) -> Parameter:
    quantity = flow_constant(name)
    return Parameter(
        label, _spread(quantity, kind), quantity.value, quantity.unit, quantity.source, quantity.certainty, minimum=0.0
    )


def _spread(quantity: Quantity, kind: str) -> Distribution:
    """Triangular between the table's ends, or log-normal with the ends two standard deviations apart each side."""
    assert quantity.low is not None
    assert quantity.high is not None
    if kind == "even":
        return Distribution("triangular", quantity.low, quantity.high, quantity.value)
    factor = (quantity.high / quantity.low) ** 0.25
    return Distribution("log-normal", quantity.low, quantity.high, quantity.value, factor)
