"""Time and memory of greedy selection out of many candidates: `python -m benchmarks.selection`.

Of 2,000 candidates × 10,000 rows × 10 classes it selects 10 members by log loss and by accuracy,
alone and with the default's 20 bags; seconds are printed, also as a ratio to one plain pass over
the candidates, and the process's peak memory, the 0.8 GB of candidates included. A straightforward
reference must choose the same members of a smaller case. Exits with 1 when it does not, or when a
limit is passed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.combining import probabilities
from hpsearch.ensembling.scores import SMALLEST_PROBABILITY
from hpsearch.ensembling.selection import select

CANDIDATES, ROWS, CLASSES, MEMBERS, BAGS = 2000, 10_000, 10, 10, 20
SMALL = 60, 1000
"""Candidates and rows of the case for the reference."""
MOST_SECONDS = {"val_loss": 3.0, "val_accuracy": 10.0}
MOST_GIB = 2.0

Returned = TypeVar("Returned")


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    agreements = [_compared(metric, options.seed) for metric in MOST_SECONDS]
    candidates, targets = _candidates(CANDIDATES, ROWS, options.seed)
    reading, _ = _timed(lambda: [candidate.sum() for candidate in candidates])
    _show("one pass over the candidates", reading, reading)
    quick = []
    for metric, most in MOST_SECONDS.items():
        for bags in (0, BAGS):
            seconds, _ = _timed(partial(select, candidates, targets, MEMBERS, metric, bags=bags))
            _show(f"{metric}, {bags} bags" if bags else metric, seconds, reading)
            quick.append(bool(bags) or seconds < most)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {gib:.2f} GiB, of which candidates {candidates.nbytes / 2**30:.2f} GiB")
    return int(not (all(agreements) and all(quick) and gib < MOST_GIB))


def _candidates(count: int, rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Models that see the classes through a noise they share and one of their own."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(CLASSES, size=rows)
    shared = 2 * np.eye(CLASSES, dtype=np.float32)[targets]
    shared += 1.2 * rng.standard_normal(shared.shape, np.float32)
    candidates = np.empty((count, rows, CLASSES), np.float32)
    for candidate in candidates:
        own = np.float32(rng.uniform(0.3, 3)) * rng.standard_normal(shared.shape, np.float32)
        candidate[:] = probabilities(shared + own)
    return candidates, targets


def _compared(metric: str, seed: int) -> bool:
    """Whether the reference chooses the same out of the smaller case."""
    candidates, targets = _candidates(*SMALL, seed)
    theirs, expected = _timed(lambda: _select_plainly(candidates, targets, metric))
    ours, result = _timed(lambda: select(candidates, targets, MEMBERS, metric))
    same: bool = result.counts.tolist() == expected.tolist()
    print(
        f"{metric}, {SMALL[0]} × {SMALL[1]:,} × {CLASSES}: {ours:.3f} s, straightforwardly "
        f"{theirs:.3f} s ({theirs / ours:.0f} ×), {'the same' if same else 'OTHER'} members"
    )
    return same


def _select_plainly(
    candidates: NDArray[np.float32], targets: NDArray[Any], metric: str
) -> NDArray[np.int64]:
    """Caruana's procedure without any shortcut."""
    rows = np.arange(len(targets))
    members: list[int] = []
    path = []
    for _ in range(MEMBERS):
        keys = []
        for i in range(len(candidates)):
            mean = candidates[[*members, i]].astype(np.float64).sum(axis=0) / (len(members) + 1)
            loss = -np.log(np.maximum(mean[rows, targets], SMALLEST_PROBABILITY)).mean()
            hits = (mean.argmax(axis=1) == targets).sum()
            keys.append((loss, 0.0) if metric == "val_loss" else (-hits, loss))
        members.append(min(range(len(keys)), key=keys.__getitem__))
        path.append(keys[members[-1]][0])
    return np.bincount(members[: int(np.argmin(path)) + 1], minlength=len(candidates))


def _timed(do: Callable[[], Returned]) -> tuple[float, Returned]:
    start = time.perf_counter()
    result = do()
    return time.perf_counter() - start, result


def _show(what: str, seconds: float, reading: float) -> None:
    print(f"{what:28s} {seconds:8.3f} s {seconds / reading:8.1f} ×")


if __name__ == "__main__":
    sys.exit(main())
