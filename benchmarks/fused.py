"""Many trials fused against one by one: `python -m benchmarks.fused`.

Both ways use every core: one process per core, one thread each, the trials dealt out evenly.
One by one a process trains its trials after one another; fused it trains them in groups of the
size that the engine chooses there. Same trials, same steps, same engine; the final metrics must be
equal to the last bit. Start-up (imports, data, the engine's choice) is not counted.

Each figure is the median of several rounds in which both ways take turns. A process trains two
groups at most, one by one four trials; the rest is reckoned, as every further one takes as long.
`bound` is what the matrix products alone would take (`fused_process.bound_seconds`) as a share of
the fused time; `MB` the highest memory of a fused process.

    python -m benchmarks.fused                  every case, about ten minutes on two cores
    python -m benchmarks.fused mlp-64 --k 64    some of them
    python -m benchmarks.fused --json

Exits with 1 when a figure is under its goal: 0.95 anywhere, at K = 64 on digits 5 for mlp-32, 4 for
mlp-64, 1 for mlp-256.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.fused_process import Answer, Order, serve
from hpsearch.training.group.group_size import GroupSize

KS = (1, 4, 16, 64, 256)
ROUNDS = 5
BATCH = 32
ALONE = 4
"""Trials that a process trains one by one for a figure."""
GROUPS = 2
LEAST = 0.95
GOALS = {"mlp-32 digits": 5.0, "mlp-64 digits": 4.0, "mlp-256 digits": 1.0}
"""At K = 64."""

MODELS: dict[str, dict[str, Any]] = {
    "mlp-32": {"kind": "mlp", "hidden": [32, 32]},
    "mlp-64": {"kind": "mlp", "hidden": [64, 64]},
    "mlp-256": {"kind": "mlp", "hidden": [256, 256]},
    "cnn": {"kind": "cnn"},
    "resnet-8": {"kind": "resnet", "depth": 8},
}
STEPS = {
    ("mlp-32", "digits"): 33, ("mlp-64", "digits"): 33, ("mlp-256", "digits"): 33,
    ("cnn", "digits"): 17, ("resnet-8", "digits"): 10,
    ("mlp-32", "synthetic"): 10, ("mlp-64", "synthetic"): 10, ("mlp-256", "synthetic"): 10,
    ("cnn", "synthetic"): 4, ("resnet-8", "synthetic"): 4,
}  # fmt: skip
"""Steps of a trial, one epoch: fewer where a step is long."""
DIGITS_ROWS = 1078
SYNTHETIC_ROWS = 480


class Figure(NamedTuple):
    """A cell of the table."""

    case: str
    k: int
    ratio: float
    low: float
    high: float
    group: int
    alone_seconds: float
    fused_seconds: float
    bound: float
    peak_bytes: int
    largest_difference: float
    """Between any final metric of a trial trained both ways."""


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}; all by default")
    parser.add_argument("--data", nargs="*", default=["digits", "synthetic"])
    parser.add_argument("--k", nargs="*", type=int, default=list(KS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as home:
        upload = _synthetic(Path(home) / "synthetic.npz")
        if not options.json:
            print(f"{os.cpu_count()} processes, one thread each, batches of {BATCH}, adam")
            print(
                "case                  K  fused/alone  (min to max)   group   alone s  fused s"
                "  bound    MB"
            )
        for data in options.data:
            for model in options.models or MODELS:
                for figure in measure(model, data, upload, options.k, options.rounds):
                    figures.append(figure)
                    if not options.json:
                        print(_line(figure), flush=True)
    if options.json:
        print(json.dumps([figure._asdict() for figure in figures]))
    short = [figure for figure in figures if figure.ratio < _goal(figure)]
    for figure in short:
        print(f"{figure.case} at K = {figure.k} is under {_goal(figure)}", file=sys.stderr)
    unequal = [figure for figure in figures if figure.largest_difference > 0]
    for figure in unequal:
        print(f"{figure.case} at K = {figure.k}: metrics differ", file=sys.stderr)
    return int(bool(short or unequal))


def measure(
    model: str, data: str, upload: Path, ks: Sequence[int], rounds: int
) -> Iterator[Figure]:
    """The figures of one case."""
    rows = DIGITS_ROWS if data == "digits" else SYNTHETIC_ROWS
    document = {
        "name": model,
        "task": {"dataset": data, "model": MODELS[model]},
        "optimizer": {"kind": "adam"},
        "training": {
            "epochs": 1,
            "batch_size": BATCH,
            "train_fraction": min(1.0, STEPS[model, data] * BATCH / rows),
        },
    }
    with _processes(document, None if data == "digits" else upload) as (connections, choices):
        bound = max(seconds for _, seconds in choices)
        for k in ks:
            counts = [k // len(connections)] * len(connections)
            for extra in range(k % len(connections)):
                counts[extra] += 1
            alone, fused, ratios = [], [], []
            peak, difference, group = 0, 0.0, 1
            for _ in range(rounds):
                seconds, answers = _round(connections, counts, is_fused=False, most=ALONE)
                fused_seconds, fused_answers = _round(
                    connections, counts, is_fused=True, most=GROUPS
                )
                group = max(answer.size for answer in fused_answers)
                alone.append(seconds)
                fused.append(fused_seconds)
                ratios.append(seconds / fused_seconds)
                peak = max(answer.peak_bytes for answer in fused_answers)
                difference = max(difference, _difference(answers, fused_answers))
            yield Figure(
                f"{model} {data}", k, statistics.median(ratios), min(ratios), max(ratios),
                group, statistics.median(alone), statistics.median(fused),
                bound * max(counts) / statistics.median(fused), peak, difference,
            )  # fmt: skip


def _round(
    connections: Sequence[Connection], counts: Sequence[int], *, is_fused: bool, most: int
) -> tuple[float, list[Answer]]:
    """Seconds that all processes take side by side, the slowest counting."""
    dealt = zip(connections, counts, _starts(counts), strict=True)
    busy = [(connection, count, start) for connection, count, start in dealt if count]
    for connection, count, start in busy:
        connection.send(Order(tuple(range(start, start + count)), is_fused, most))
    answers = [connection.recv() for connection, _, _ in busy]
    return max(answer.seconds for answer in answers), answers


def _starts(counts: Sequence[int]) -> list[int]:
    """Each process's first trial number."""
    return [sum(counts[:i]) for i in range(len(counts))]


def _difference(some: Sequence[Answer], others: Sequence[Answer]) -> float:
    """The largest between metrics of trials that both have trained."""
    largest = 0.0
    for first, second in zip(some, others, strict=True):
        for trial in first.metrics.keys() & second.metrics.keys():
            metrics, other = first.metrics[trial], second.metrics[trial]
            largest = max([largest, *(abs(metrics[name] - other[name]) for name in metrics)])
    return largest


@contextmanager
def _processes(
    document: dict[str, Any], upload: Path | None
) -> Iterator[tuple[list[Connection], list[tuple[GroupSize, float]]]]:
    """One per core, ready to train; with each one's choice and bound."""
    context = multiprocessing.get_context("spawn")
    connections, started = [], []
    for _ in range(os.cpu_count() or 1):
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, document, upload), daemon=True)
        process.start()
        connections.append(ours)
        started.append(process)
    try:
        yield connections, [connection.recv() for connection in connections]
    finally:
        for connection, process in zip(connections, started, strict=True):
            if process.is_alive():
                connection.send(None)
            process.join(10)


def _synthetic(path: Path) -> Path:
    """Images of CIFAR's shape, 10 classes, nothing to be learnt."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (800, 3, 32, 32), dtype=np.uint8)
    np.savez(path, x=x, y=np.arange(800) % 10)
    return path


def _goal(figure: Figure) -> float:
    return max(LEAST, GOALS.get(figure.case, 0.0) if figure.k == 64 else 0.0)


def _line(figure: Figure) -> str:
    spread = f"({figure.low:.2f} to {figure.high:.2f})"
    return (
        f"{figure.case:18s} {figure.k:4d} {figure.ratio:9.2f} {spread:>18s} {figure.group:7d}"
        f" {figure.alone_seconds:9.3f} {figure.fused_seconds:8.3f} {figure.bound:6.0%}"
        f" {figure.peak_bytes / 1e6:5.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
