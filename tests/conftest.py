"""One Numba and BLAS thread a process: the tests run in parallel processes. Set before numpy is first imported."""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from hypothesis import settings  # noqa: E402

# What lands must not hang on luck: with CI=true every property test draws the same examples each time. Elsewhere it
# explores, and what it finds becomes an example of its own.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI", "").lower() == "true":
    settings.load_profile("ci")
