"""One file a command."""

import os

# One BLAS thread, set before numpy is first imported: the antenna's factorisations are small, members run in processes
# of their own, and threads that wait for each other on busy cores turn a solve of 0.2 s into seconds.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
