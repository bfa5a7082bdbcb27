"""Runs BabelViscoFDTD's bioheat (BSD) in whatever Python has it: ``python babel_script.py in.npz out.npz``.

Imports nothing of Vertherm. Its kernel reads one conductivity a label (not one a face) and knows no damage.
"""

import sys
import time
from pathlib import Path

import numpy as np


def main(source: str, target: str) -> None:
    """Read the problem, run, write temperatures of the monitored voxels and the times taken."""
    start = time.perf_counter()
    import importlib

    pyopencl = importlib.import_module("pyopencl")
    tool = importlib.import_module("BabelViscoFDTD.tools.RayleighAndBHTE")

    device = pyopencl.get_platforms()[0].get_devices()[0].name
    tool.InitOpenCL(device)
    built = time.perf_counter()
    given = np.load(source)
    dt, spacing_m, steps, steps_on = (float(given[name]) for name in ("dt", "spacing_m", "steps", "steps_on"))
    capacity, conductivity, flow = given["capacity"], given["conductivity"], given["flow"]
    density = 1000.0
    count = capacity.size
    materials = {
        "Conductivity": conductivity,
        "Density": np.full(count, density),
        "SpecificHeat": capacity / density,
        # Its perfusion is ml/min/kg with blood of 1050 kg/m3 and 3617 J/kgK.
        "Perfusion": flow / density * 60e6 / (1050 * 3617),
        "SoS": np.ones(count),
        "Attenuation": np.ones(count),
        "Absorption": np.ones(count),
        "InitTemperature": np.full(count, 37.0),
    }
    # Its source is pressure squared times a coefficient: the pressure that gives our heat.
    gain = tool.getQCoeff(density, 1.0, 1.0, capacity / density, 1.0, spacing_m, dt)
    labels = given["labels"]
    pressure = np.sqrt(given["source"] * dt / capacity[labels] / gain[labels]).astype(np.float32)
    result = tool.BHTE(
        pressure, labels, materials, spacing_m, int(steps), int(steps_on), -1, dt=dt, Backend="OpenCL",
        MonitoringPointsMap=given["monitor"],
    )  # fmt: skip
    curves = np.asarray(result[-1])
    np.savez(target, curves=curves, build_s=built - start, run_s=time.perf_counter() - built, device=device)
    Path(target).touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
