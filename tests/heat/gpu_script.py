"""Run by test_gpu.py in a process of its own: the CUDA kernels in numba's simulator, or compiled to PTX."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np


def compared() -> None:
    """The same run on both engines; prints the largest difference of each field relative to its largest value."""
    from tests.heat.blocks import block, gaussian
    from vertherm.geometry.trajectory import Trajectory
    from vertherm.geometry.volume import Grid
    from vertherm.heat.bioheat import BioheatSolver, StepLimits
    from vertherm.heat.shaft import ShaftFin
    from vertherm.materials.perfusion import perfusion_model

    shape = (6, 5, 7)
    affine = np.eye(4)
    affine[:3, 3] = [-(n - 1) / 2 for n in shape]
    grid = Grid(shape, affine)
    held = np.zeros(shape, bool)
    held[0, :, :2] = True
    followed = np.zeros(shape, bool)
    followed[3:5, 2, 3:5] = True
    latent = np.full(shape, 4e8, np.float32)
    problem = block(shape, held=held, latent_j_m3=latent, perfusion_response=perfusion_model(2.0))
    needle = Trajectory(np.array([0.0, 0.0, 20.0]), np.array([0.0, 0.0, 0.0]))
    shaft = ShaftFin(needle, 0.4, 0.5, 4.0, 5e-5, film_w_mk=1.0, coolant_c=20.0).bind(grid, problem)
    source = gaussian(shape, 20.0, 1.2e-3)
    runs = []
    for device in ("cpu", "cuda"):
        solver = BioheatSolver(
            problem, device=device, shaft=shaft, structures={"a": followed}, sensors={"b": np.array([2.2, 2.5, 3.1])},
            limits=StepLimits(rest_k=0.0),
        )  # fmt: skip
        solver.advance(1.6, source, np.full(shaft.g.size, 30.0))
        solver.set_conductivity(tuple(np.float32(1.1) * k for k in problem.conductivity_faces))
        solver.stop_coolant()
        solver.advance(1.0)
        runs.append(solver)
    a, b = runs
    assert a.statistics.steps == b.statistics.steps
    for name in ("temperature_c", "peak_c", "cem43_min", "omega", "latent_fraction_max", "perfusion_w_m3k"):
        x, y = getattr(a, name), getattr(b, name)
        print(name, float(np.abs(x - y).max() / np.abs(x).max()), float(x.max()))
    for name, value in a.balance().as_dict().items():
        print(name, abs(value - b.balance().as_dict()[name]) / a.balance().source_j, value)
    for name, value in {**a.readings(), "hottest": a.hottest_c, **a.lowest_c()}.items():
        other = {**b.readings(), "hottest": b.hottest_c, **b.lowest_c()}[name]
        print(name, abs(value - other) / value, value)


def compiled() -> None:
    """Every kernel to PTX for the generation of cards named by two more arguments."""
    from numba import cuda, float32, float64, int32, int64, types, uint8
    from numba.cuda import dispatcher

    from vertherm.heat import gpu_kernels as k

    capability = (int(sys.argv[2]), int(sys.argv[3]))
    # numba asks the present card what to compile device functions for; there is none.
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    F, f, d, i = float32[:, :, ::1], float32, float64, int64
    D1, D2, I1, flat = float64[::1], float64[:, ::1], int64[::1], float32[::1]
    box, curve, medium = (i,) * 6, (F, F, f, f), (F, F, F, F, F)
    table, flags = float64[:, :, ::1], types.boolean[:, ::1]
    signatures = {
        "rate_kernel": (F, F, *medium, F, f),
        "stage_kernel": (F, F, F, *medium, f, f, f, f),
        "scan_kernel": (F, F, *curve, F, f, flat, int32[::1]),
        "excess_kernel": (F, F, f, F, *curve, *box),
        "apply_kernel": (F, F, *medium, f, *box),
        "hot_state_kernel": (F, F, *curve, f, *box),
        "rows_kernel": (F, F, flags, f, f),
        "perfusion_kernel": (
            F, F, F, F, F, uint8[:, :, ::1], *curve, f, table, d, d, table, d, flags, f, d,
        ),
        "finish_kernel": (
            F, F, F, F, F, F, uint8[:, :, ::1], F, F, *curve, f, table, d, d, f, flat, D1,
        ),
        "faces_kernel": (flat, d, flat, int32[::1], flat, D2, i, i),
        "tissue_kernel": (flat, d, flat, I1, D1, I1, D1),
        "shaft_kernel": (D1, D2, int64[:, ::1], D1, D1, flat, flat, I1, D1, I1, D2, i),
        "largest_kernel": (flat, flat, flat, f, f, I1, I1, D1),
        "sensor_kernel": (flat, flat, flat, f, f, int64[:, ::1], D2, D1, i),
    }  # fmt: skip
    assert set(signatures) == {name for name in vars(k) if name.endswith("_kernel")}
    for name, signature in signatures.items():
        ptx, _ = cuda.compile_ptx(getattr(k, name).py_func, signature, cc=capability, fastmath=True)
        assert f"sm_{capability[0]}{capability[1]}" in ptx
        print(name, len(ptx))


if __name__ == "__main__":
    {"compare": compared, "compile": compiled}[sys.argv[1]]()
