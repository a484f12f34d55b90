"""What bare pruners save and lose in small studies: curves of full length, replayed.

    python -m benchmarks.small_studies [--seeds 40] [--pruners asha median] [--tuned]

A study has 10 to 30 trials of which half are hopeless. Each trial's whole curve is known, so the
simulator, which asks the very pruners that the server asks, tells two things of every study:

    saved   epochs that were not trained because a pruner stopped their trial, of all
    lost    whether the trial that would have been best at full length was stopped

They are shown as the mean of `saved` and the share of seeds that `lost`. Trials train as the
server's workers train them: in groups whose epochs end together.

    real curves        rows of `benchmarks/data`: half of them among the best 40 %, half among the
                       worst 50 % of a table
    generated curves   formulas of [epochs] with noise of their own, in `FAMILIES`

The defaults of the pruners were chosen with the families of `TUNED` alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import DATA
from hpsearch.search.simulator import Trace, simulate
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.study import parse_study

PRUNERS = ("asha", "hyperband", "median", "percentile")
TRIALS = (10, 12, 15, 20, 24, 30)
"""Of a study; seeds take them in turn."""
SHAPES: Mapping[str, tuple[int, int | None]] = {
    "1 worker, one group": (1, None),
    "1 worker, groups of 4": (1, 4),
    "3 workers, one group each": (3, None),
    "3 workers, groups of 4": (3, 4),
}
"""Workers, and the most trials of a group; none shares all trials out among the workers."""

Curves: TypeAlias = NDArray[np.float64]
"""Losses of some trials by epoch, [K, E], NaN from where one diverges."""
Family: TypeAlias = Callable[[np.random.Generator, int], Curves]
"""From a random generator and a number of trials K to their curves, in any order."""


def real(table: str) -> Family:
    """Rows of a table of trained curves."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        losses, order = _table(table)
        rows = len(order)
        good = rng.choice(order[: int(0.4 * rows)], trials - trials // 2, replace=False)
        hopeless = rng.choice(order[rows - rows // 2 :], trials // 2, replace=False)
        return losses[np.concatenate([good, hopeless])]

    return draw


@cache
def _table(name: str) -> tuple[Curves, NDArray[np.int64]]:
    """The curves of a table, and its rows from the best to the worst."""
    with np.load(DATA / f"{name}.npz") as table:
        losses = table["losses"].astype(float)
    return losses, np.argsort(_values(losses), kind="stable")


def exponential(epochs: int) -> Family:
    """Falls as exp(−rate·t) towards an end of its own; hopeless ones hardly fall."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        good = _good(rng, trials)
        end = np.where(good, rng.uniform(0.1, 0.5, trials), rng.uniform(0.85, 1.0, trials))
        rate = np.exp(rng.uniform(math.log(3), math.log(20), trials)) / epochs
        t = np.arange(1, epochs + 1)
        curves = end[:, None] + (1 - end)[:, None] * np.exp(-rate[:, None] * t)
        return _noisy(curves, rng, 0.01)

    return draw


def power_law(epochs: int) -> Family:
    """Falls as t^−c, hopeless ones with a small c, and noise in proportion."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        good = _good(rng, trials)
        c = np.where(good, rng.uniform(0.4, 1.2, trials), rng.uniform(0.0, 0.1, trials))
        scale = np.exp(rng.normal(0, 0.1, trials))
        curves = 0.02 + scale[:, None] * np.arange(1, epochs + 1) ** -c[:, None]
        return curves * np.exp(rng.normal(0, 0.03, curves.shape))

    return draw


def crossing(epochs: int) -> Family:
    """The faster a good trial falls, the higher it ends; hopeless ones fall at once and stay."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        good, place = _good(rng, trials), rng.random(trials)
        rate = np.where(good, 5 + 10 * place, 40.0) / epochs
        end = np.where(good, 0.15 + 0.2 * place, rng.uniform(0.6, 0.9, trials))
        t = np.arange(1, epochs + 1)
        curves = end[:, None] + (1 - end)[:, None] * np.exp(-rate[:, None] * t)
        return _noisy(curves, rng, 0.01)

    return draw


def diverging(epochs: int) -> Family:
    """Hopeless trials diverge, half of them at once; good ones fall with steps at one moment."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        good = _good(rng, trials)
        end, drop = rng.uniform(0.1, 0.4, trials), int(0.6 * epochs)
        t = np.arange(1, epochs + 1)
        slope = rng.uniform(4, 12, trials)[:, None] / epochs
        curves = 1.5 * end[:, None] + (1 - end)[:, None] * np.exp(-slope * t)
        curves[:, drop:] -= 0.5 * end[:, None]
        curves = _noisy(curves, rng, 0.01)
        for number in np.flatnonzero(~good):
            curves[number, int(rng.choice([0, rng.integers(1, epochs)])) :] = np.nan
        return curves

    return draw


def errors_of_few_rows(epochs: int) -> Family:
    """Errors counted on 50 rows, so many are equal; hopeless trials guess one of ten classes."""

    def draw(rng: np.random.Generator, trials: int) -> Curves:
        good = _good(rng, trials)
        end = np.where(good, rng.uniform(0.04, 0.3, trials), 0.9)
        rate = rng.uniform(4, 16, trials) / epochs
        t = np.arange(1, epochs + 1)
        expected = end[:, None] + (0.9 - end)[:, None] * np.exp(-rate[:, None] * t)
        return rng.binomial(50, expected) / 50

    return draw


def _good(rng: np.random.Generator, trials: int) -> NDArray[np.bool_]:
    return rng.permutation(np.arange(trials) >= trials // 2)


def _noisy(curves: Curves, rng: np.random.Generator, scale: float) -> Curves:
    return curves + rng.normal(0, scale, curves.shape)


TUNED: Mapping[str, Family] = {
    "digits_cnn": real("digits_cnn"),
    "spiral": real("spiral"),
    "exponential, 40 epochs": exponential(40),
}
"""Curves by which the defaults were chosen."""
FAMILIES: Mapping[str, Family] = {
    **{name: real(name) for name in ("digits_mlp", "digits_optimizers", "wine", "upload")},
    "breast_cancer": real("breast_cancer"),
    "power law, 20 epochs": power_law(20),
    "crossing, 25 epochs": crossing(25),
    "diverging, 30 epochs": diverging(30),
    "errors of 50 rows, 15 epochs": errors_of_few_rows(15),
    "exponential, 12 epochs": exponential(12),
}
"""Curves by which they are judged."""


@dataclass(frozen=True)
class Replay:
    """What a pruner did to one study."""

    saved: float
    """Epochs that a pruner's stop left out, of those that the trials would have trained."""
    lost: bool
    """Whether the best trial was stopped; of several that end equally, whether all were."""


def replay(curves: Curves, pruner: Any, seed: int, workers: int, group_size: int | None) -> Replay:
    """Runs a study whose trial n has row n of the curves.

    Args:
        curves: [K, E].
        pruner: as in a spec.
        seed: the study's.
        workers: how many train.
        group_size: the most trials of a group; none shares all trials out among the workers.
    """
    trials, epochs = curves.shape
    spec = parse_study(
        {
            "name": "small",
            "seed": seed,
            "task": {"kind": "external", "params": {"x": {"uniform": [0, 1]}}},
            "training": {"epochs": epochs},
            "search": {"kind": "random", "trials": trials},
            "pruner": pruner,
            "limits": {"failed_trials": None},
        }
    )
    paces = np.random.default_rng([seed, 1]).uniform(0.8, 1.25, trials)

    def curve(_: Any, length: int, of: tuple[int, int]) -> Trace:
        return Trace(curves[of[1], :length].tolist(), seconds=float(paces[of[1]]))

    size = group_size or math.ceil(trials / workers)
    outcome = simulate(spec, curve, workers=workers, group_size=size)
    lengths = np.where(np.isnan(curves).any(1), np.isnan(curves).argmax(1) + 1, epochs)
    done = np.array([len(trial.losses) for trial in outcome.trials])
    values = _values(curves)
    states = [outcome.trials[number].state for number in np.flatnonzero(values == values.min())]
    return Replay(
        saved=1 - float(done.sum() / lengths.sum()),
        lost=all(state != TrialState.COMPLETE for state in states),
    )


def _values(curves: Curves) -> NDArray[np.float64]:
    """What each trial comes to at full length: its best loss, ∞ where it diverges."""
    return np.where(np.isnan(curves).any(1), np.inf, np.nan_to_num(curves, nan=np.inf).min(1))


def replay_seeds(
    family: Family, pruner: Any, seeds: Sequence[int], workers: int, group_size: int | None
) -> tuple[float, float]:
    """The mean of `saved`, and the share of the seeds that `lost`."""
    replays = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 7])
        curves = family(rng, TRIALS[seed % len(TRIALS)])
        replays.append(replay(rng.permutation(curves), pruner, seed, workers, group_size))
    saved = float(np.mean([found.saved for found in replays]))
    return saved, float(np.mean([found.lost for found in replays]))


def main() -> None:
    """Prints a table for each way to train."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--pruners", nargs="+", default=PRUNERS)
    parser.add_argument("--tuned", action="store_true", help="the families of TUNED")
    options = parser.parse_args()
    families = TUNED if options.tuned else FAMILIES
    for shape, (workers, group_size) in SHAPES.items():
        print(f"\n| {shape} | " + " | ".join(options.pruners) + " |")
        print("|---" * (1 + len(options.pruners)) + "|")
        for name, family in families.items():
            cells = []
            for pruner in options.pruners:
                saved, lost = replay_seeds(
                    family, pruner, range(options.seeds), workers, group_size
                )
                cells.append(f"{100 * saved:.0f} % saved, {100 * lost:.0f} % lost")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
