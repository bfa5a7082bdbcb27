"""Figures of the heat and damage cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vertherm.heat.bioheat import BioheatSolver
from vertherm.materials.damage import damage_model
from vertherm.validation import bioheat, damage, manufactured, phase_change, shaft, sources
from vertherm.validation.drawing import FAINT, OURS, REFERENCE, SECOND, panels
from vertherm.validation.evidence import Figure


def reference_profile(folder: Path, solver: BioheatSolver) -> Figure:
    """Radial profile of the reference case and its error; ``solver`` has run it."""
    path = folder / "bioheat-reference.svg"
    radius = np.linspace(0.0, 28.0, 113)
    exact = np.array([bioheat.closed_form_c(r * 1e-3, bioheat.TIME_S) for r in radius])
    middle = (bioheat.CELLS - 1) // 2
    on_axis = solver.temperature_c[middle : middle + 29, middle, middle]
    at = np.arange(29)
    with panels(path, 2, width=3.5) as (left, right):
        left.plot(radius, exact, color=REFERENCE, lw=1.2, label="closed form")
        left.plot(at, on_axis, "o", ms=3.5, color=OURS, label="solver, 1 mm cells")
        left.set(xlabel="distance from the source (mm)", ylabel="temperature after 270 s (°C)")
        left.legend()
        right.plot(at, on_axis - np.interp(at, radius, exact), "o-", ms=3.5, color=OURS)
        for goal in (0.2, -0.2):
            right.axhline(goal, color=REFERENCE, ls="--", lw=1)
        right.set(xlabel="distance from the source (mm)", ylabel="solver − closed form (K)", ylim=(-0.25, 0.25))
    caption = (
        "Gaussian source of 10 W, sigma 6 mm, in uniform perfused tissue (97³ cells of 1 mm). Dashed: the goal of "
        "0.2 K. The error is the spatial discretisation's own: largest where the profile bends most."
    )
    return Figure(path, "Reference case of the bioheat solver", caption)


def manufactured_orders(folder: Path) -> Figure:
    """Errors of the manufactured solution in space and time."""
    path = folder / "bioheat-manufactured.svg"
    space, time = manufactured.space_errors_k(), manufactured.time_errors_k()
    size = manufactured.EDGE_M * 1e3 / np.array(manufactured.GRIDS)
    step = np.array(manufactured.STEPS_S)
    with panels(path, 2, width=3.5) as (left, right):
        for axes, x, values, label in ((left, size, space, "cell (mm)"), (right, step, time, "step (s)")):
            axes.loglog(x, values, "o-", color=OURS, label="solver")
            axes.loglog(x, values[0] * (x / x[0]) ** 2, ":", color=REFERENCE, label="order 2")
            axes.set(xlabel=label, ylabel="rms error (K)", xticks=x)
            axes.set_xticklabels([f"{value:g}" for value in x])
            axes.minorticks_off()
            axes.legend()
    caption = (
        "Prescribed solution with conductivity, capacity and perfusion that vary in three dimensions; peak rise 34 K. "
        "Left: against the prescribed solution; right: against steps of 0.7 s on the same grid."
    )
    return Figure(path, "Order in space and time", caption)


def source_profiles(folder: Path) -> Figure:
    """Point and line source, transient and steady."""
    path = folder / "bioheat-sources.svg"
    radius = np.linspace(2.5, 11.0, 69)
    table = (
        ("point source, 1 W", sources.point_source(), sources.point_rise_k),
        ("line source, 60 W/m", sources.line_source(), sources.line_rise_k),
    )
    with panels(path, 2, width=3.5) as both:
        for axes, (title, found, formula) in zip(both, table, strict=True):
            for (when, time_s), rises, color in zip(sources.TIMES_S.items(), found, (SECOND, OURS), strict=True):
                exact = [formula(r * 1e-3, time_s) for r in radius]
                axes.semilogy(radius, exact, color=color, lw=1.2, label=f"closed form, {when}")
                axes.semilogy(list(rises), list(rises.values()), "o", ms=4, color=color, mfc="white")
            axes.set(xlabel="distance (mm)", ylabel="rise (K)", title=title)
            axes.legend(title="circles: solver, 1 mm cells")
    caption = (
        "Rise of temperature beside a point and a line source that fill one cell (column) of 1 mm, in strongly "
        "perfused tissue (1/m = 3.5 mm). One cell is a coarse point: at 4 mm the scheme is 5 % too warm, as its own "
        "Green's function says."
    )
    return Figure(path, "Point and line source", caption)


def boiling_fronts(folder: Path) -> Figure:
    """Boiling and condensing front over time, and the temperature across the boiling front."""
    path, times = folder / "phase-fronts.svg", np.array([20.0, 60.0, 120.0, 200.0, 300.0])
    fine = np.linspace(1.0, 300.0, 100)
    spacing = 0.25e-3
    with panels(path, 2, width=3.5) as (left, right):
        for name, exact, run, cells, color in (
            ("boiling", phase_change.neumann_front_m, phase_change.stefan_front_m, 120, OURS),
            ("condensing", phase_change.neumann_condensation_m, phase_change.condensation_front_m, 320, SECOND),
        ):
            left.plot(fine, [exact(t) * 1e3 for t in fine], color=color, lw=1.2, label=f"{name}, Neumann")
            got = [run(float(t), spacing, cells)[0] * 1e3 for t in times]
            left.plot(times, got, "o", ms=4, color=color, mfc="white")
        left.set(xlabel="time (s)", ylabel="depth of the front (mm)", ylim=(0, None))
        left.legend(title="circles: solver, 0.25 mm cells")
        _, solver = phase_change.stefan_front_m(300.0, spacing, 120)
        x = np.arange(120, dtype=np.float64) * spacing * 1e3
        right.plot(x, solver.temperature_c[:, 0, 0], "o", ms=2.5, color=OURS, label="solver")
        right.plot(x, phase_change.boiling_profile_c(x * 1e-3, 300.0), color=REFERENCE, lw=1.2, label="Neumann")
        right.axhline(100.0, color=FAINT, lw=0.8)
        right.set(xlabel="depth (mm)", ylabel="temperature after 300 s (°C)", xlim=(0, 15))
        right.legend()
    caption = (
        "One-dimensional phase change in the enthalpy form. Left: boiling behind a wall of 180 °C, and water returning "
        "behind a wall of 37 °C into dried tissue at 140 °C. Right: temperature across the boiling front."
    )
    return Figure(path, "Boiling and condensing fronts", caption)


def fin_profiles(folder: Path) -> Figure:
    """The fin heated at its end and along its length."""
    path = folder / "shaft-fin.svg"
    z, ended, waved, _ = shaft.fin_in_held_tissue()
    with panels(path) as (axes,):
        axes.plot(z * 1e3, shaft.end_heated_c(z), color=REFERENCE, lw=1.2, label="closed form")
        axes.plot(z * 1e3, shaft.wave_heated_c(z), color=REFERENCE, lw=1.2)
        axes.plot(z[::3] * 1e3, ended[::3], "o", ms=3.5, color=OURS, label="0.5 W at the end")
        axes.plot(z[::3] * 1e3, waved[::3], "s", ms=3.5, color=SECOND, label="40 W/m cosine")
        axes.set(xlabel="distance along the shaft (mm)", ylabel="temperature of the shaft (°C)")
        axes.legend()
    caption = (
        f"Shaft of {shaft.RADIUS_MM} mm radius in tissue held at {shaft.TISSUE_C:g} °C with coolant of "
        f"{shaft.COOLANT_C:g} °C, conducting along itself (kA {shaft.AXIAL_W_M_K:g} W m/K)."
    )
    return Figure(path, "The shaft as a fin", caption)


def dose_ramps(folder: Path) -> Figure:
    """CEM43 and Arrhenius during an even rise of temperature."""
    path, ends, speed = folder / "damage-ramp.svg", np.arange(40.0, 56.0), 0.1
    fine = np.linspace(39.2, 55.5, 80)
    with panels(path, 2, width=3.5) as (left, right):
        left.semilogy(fine, [damage.cem43_of_ramp_min(37.0, t, speed) for t in fine], color=REFERENCE, lw=1.2,
                      label="closed form")  # fmt: skip
        left.semilogy(ends, [damage.ramp(37.0, t, speed)[0] for t in ends], "o", ms=4, color=OURS, label="solver")
        left.set(xlabel="temperature reached (°C)", ylabel="CEM43 (min)")
        left.legend()
        for name, color in zip(damage.MODELS, (OURS, SECOND, FAINT), strict=True):
            model = damage_model(name)
            start = (model.valid_from_c or 37.0) + 0.3
            warm = np.linspace(start, 55.5, 60)
            right.semilogy(warm, [damage.omega_of_ramp(37.0, t, speed, model) for t in warm], color=color, lw=1.2)
            reached = ends[ends > start]
            right.semilogy(reached, [damage.ramp(37.0, t, speed, name)[1] for t in reached], "o", ms=4, color=color,
                           mfc="white", label=name.replace("_", " "))  # fmt: skip
        right.set(xlabel="temperature reached (°C)", ylabel="Arrhenius integral (1)")
        right.legend(title="lines: closed form")
    caption = (
        "Doses after an even rise from 37 °C at 0.1 K/s, from the solver's dose pass in steps of 5 s, against closed "
        "forms. Nothing counts below 39 °C (CEM43) or below a model's range of validity."
    )
    return Figure(path, "Doses during a rise of temperature", caption)
