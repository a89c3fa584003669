"""The tests: a product of matrices stays on the core of its worker.

Threads that wait for each other take all the time of cores that other workers need.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
