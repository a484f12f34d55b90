"""Tables of real learning curves: `python -m benchmarks.curves` (five minutes on one core).

For each case of `benchmarks.cases.REAL` it trains Sobol points of the wide space at full length,
fused, and keeps the objective of every epoch in `benchmarks/data/<case>.npz`:

    units    float32 [N, D]   position on each parameter's own axis; NaN where it does not exist
    losses   float16 [N, E]   the objective, lower is better; NaN from where a trial diverged
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc

from benchmarks.cases import DATA, EPOCHS, REAL, Case, widened
from hpsearch.spec.space.space import resolve, search_space
from hpsearch.spec.study import parse_study
from hpsearch.training.data.local_uploads import LocalUpload, register
from hpsearch.training.group.group import Group, Plan, group_key
from hpsearch.training.uploads.formats import format_of
from hpsearch.training.uploads.read_options import ReadOptions

AT_ONCE = 128
"""Trials of one group."""
LARGEST = 6e4
"""Losses are cut here: float16 ends at 65504."""


def main() -> None:
    """Trains the tables that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help="names of cases; all unless given")
    tables = parser.parse_args().tables
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        register(friedman(Path(folder)))
        for case in REAL:
            if case.table == case.name and (not tables or case.name in tables):
                started = time.perf_counter()
                units, losses = trained(case)
                DATA.mkdir(exist_ok=True)
                np.savez_compressed(DATA / f"{case.name}.npz", units=units, losses=losses)
                best, seconds = np.nanmin(losses), time.perf_counter() - started
                print(f"{case.name}: {len(units)} curves, best {best:.4f}, {seconds:.0f} s")


def friedman(folder: Path) -> LocalUpload:
    """A table as somebody would upload it: Friedman's first function, 400 rows and a category."""
    rng = np.random.default_rng(0)
    x, group = rng.random((400, 8)), rng.integers(3, size=400)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3]
    y = (y + 3 * group + rng.standard_normal(400) - 15) / 5
    lines = [",".join([*(f"x{i}" for i in range(8)), "group", "y"])]
    for row, label, target in zip(x, group, y, strict=True):
        lines.append(",".join([*(f"{value:.6f}" for value in row), "abc"[label], f"{target:.6f}"]))
    path = folder / "friedman.csv"
    path.write_text("\n".join(lines) + "\n")
    options = ReadOptions(format_of(path, path.name, None), "y")
    return LocalUpload("friedman", path, hashlib.sha256(path.read_bytes()).hexdigest(), options)


def trained(case: Case) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Points and curves of a case's table."""
    spec = parse_study(widened(case))
    space = search_space(spec)
    metric = case.document["objective"]["metric"]
    units = np.full((case.rows, len(space.parameters)), np.nan, np.float32)
    losses = np.full((case.rows, EPOCHS), np.nan, np.float32)
    groups: dict[Any, list[Plan]] = defaultdict(list)
    columns = {parameter.name: d for d, parameter in enumerate(space.parameters)}
    points = qmc.Sobol(len(columns), seed=0).random_base2(case.rows.bit_length() - 1)
    for row, point in enumerate(points):
        params = space.draw(
            lambda p, point=point: p.distribution.from_unit(point[columns[p.name]])  # type: ignore[misc]
        )
        for parameter in space.parameters:
            if parameter.name in params:
                unit = parameter.distribution.to_unit(params[parameter.name])
                units[row, columns[parameter.name]] = unit
        plan = Plan(row, resolve(spec, params), EPOCHS)
        groups[group_key(plan)].append(plan)
    for plans in groups.values():
        for first in range(0, len(plans), AT_ONCE):
            for reports in Group(plans[first : first + AT_ONCE]).epochs():
                for report in reports:
                    value = report.metrics[metric]
                    loss = 1 - value if metric == "val_accuracy" else value
                    if not report.diverged:
                        losses[report.number, report.epoch] = min(loss, LARGEST)
    return units, losses.astype(np.float16)


if __name__ == "__main__":
    main()
