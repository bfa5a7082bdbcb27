"""Run in a process of its own with NUMBA_ENABLE_CUDASIM=1: the card's kernels against the processor's."""

import sys

import numpy as np

from vertherm.applicator.fullwave import cuda as cuda_module
from vertherm.applicator.fullwave.cuda import CudaMarcher
from vertherm.applicator.fullwave.march import CpuMarcher, YeeProblem, _waves
from vertherm.applicator.fullwave.material import edge_material
from vertherm.applicator.fullwave.sources import Sources
from vertherm.applicator.fullwave.yee import yee_problem


def problem() -> YeeProblem:
    rng = np.random.default_rng(0)
    shape = (11, 10, 12)
    eps = rng.uniform(10, 60, shape).astype(np.float32)
    sigma = rng.uniform(0, 3, shape).astype(np.float32)
    material = edge_material(1e-3, eps, sigma, None, 2.45e9)
    some = [
        (rng.integers(1, 9, (5, 3)).astype(np.int32), rng.normal(size=5).astype(np.complex64) * (1 + 2j))
        for _ in range(6)
    ]
    return yee_problem(material, Sources(tuple(some[:3]), tuple(some[3:])), 1e-3, 4, 30.0)


if __name__ == "__main__":
    # Small blocks: the simulator runs every thread, idle ones too.
    cuda_module.THREADS = (4, 3, 3)
    one = problem()
    card, processor = CudaMarcher(one), CpuMarcher(one, threads=2)
    steps = np.arange(float(sys.argv[1]))
    waves = _waves(steps + 20.5, 40), _waves(steps + 21.0, 40)
    for machine in (card, processor):
        machine.advance(*waves)
    found, wanted = card.electric(), processor.electric()
    size = max(float(np.abs(w).max()) for w in wanted)
    worst = max(float(np.abs(f - w).max()) for f, w in zip(found, wanted, strict=True))
    print(worst / size, size)
