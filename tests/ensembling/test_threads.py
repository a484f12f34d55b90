"""What is found out does not depend on how many threads multiply matrices."""

from __future__ import annotations

import os
import subprocess
import sys

FOUND = """
import numpy as np
from hpsearch.ensembling.calibration import fit_temperature
from hpsearch.ensembling.combining import probabilities
from hpsearch.ensembling.intervals import bootstrap
from hpsearch.ensembling.selection import select, fit_weights
for seed, (count, rows) in enumerate([(3, 50), (40, 5000), (150, 1500)]):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 5, rows)
    said = probabilities(np.eye(5)[targets] + 1.5 * rng.normal(size=(count, rows, 5)))
    print(fit_weights(said, targets).tobytes().hex())
    numbers = rng.normal(size=(count, rows, 1)).astype(np.float32)
    print(fit_weights(numbers, rng.normal(size=rows)).tobytes().hex())
    ours, theirs = ({"loss": rng.exponential(size=rows)} for _ in range(2))
    print(bootstrap(ours, theirs, resamples=300))
    print(fit_temperature(said[0].astype(float), targets))
    print(select(said, targets, 5, "val_accuracy", bags=2).counts.tolist())
"""


def test_one_thread_and_two_find_the_same_bits() -> None:
    said = []
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", FOUND],
            capture_output=True, text=True, check=True,
            env={**os.environ, **dict.fromkeys(names, threads)},
        )  # fmt: skip
        said.append(done.stdout)
    assert said[0].count("\n") == 15
    assert said[0] == said[1]
