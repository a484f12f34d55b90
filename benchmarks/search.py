"""Searches compared on the same curves at equal total epochs.

    python -m benchmarks.search            coarse-to-fine against the others (gp: half an hour)
    python -m benchmarks.search --rules    ways to narrow, and numbers of stages (ten minutes)

A search has BUDGET epochs, as much as 40 trials of full length. What counts is the trial that the
study calls its best: `score` is its best validation loss at full length (a shorter trial is gone
on with), `worth` what its configuration comes to without the luck of one training run, `regret`
how much that is above the best of all configurations, relative to it. A win over another search is
a lower score from the same seed, a tie half of one; ± is a 95 % confidence interval over seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import CASES, EPOCHS, FORMULAS
from benchmarks.formulas import Formula
from benchmarks.lookup import Lookup
from benchmarks.rules import RULES
from hpsearch.search.samplers.coarse_to_fine import BoxStages
from hpsearch.search.samplers.sobol import SobolSampler
from hpsearch.search.simulator import NextStage, simulate
from hpsearch.search.staging import next_stage
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.study import parse_study

BUDGET = 40 * EPOCHS
STAGES = [(48, 3), (24, 5), (16, 10), (12, 18), (18, 30)]
"""Trials and epochs of coarse-to-fine, the same for all problems; BUDGET epochs in all."""
MANY = 1000
"""Trials that the budget never reaches."""

METHODS: Mapping[str, Mapping[str, Any]] = {
    **{
        kind: {"search": {"kind": kind, "trials": MANY}}
        for kind in ("random", "sobol", "tpe", "gp")
    },
    "hyperband": {
        "search": {"kind": "random", "trials": MANY},
        "pruner": {
            "kind": "hyperband",
            "min_epochs": 1,
            "max_epochs": EPOCHS,
            "reduction_factor": 3,
        },
    },
}
"""What coarse-to-fine is compared with."""
SPLITS: Mapping[str, Sequence[tuple[int, int]]] = {
    "two stages": [(60, 6), (28, 30)],
    "three stages": [(100, 3), (30, 10), (20, 30)],
    "four stages": [(60, 3), (30, 6), (16, 15), (20, 30)],
    "five stages": STAGES,
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "promote none": {"promote": 0.0},
    "promote half": {"promote": 0.5},
    "promoted continue": {"continue": True},
    "margin 0": {"margin": 0.0},
    "margin 1": {"margin": 1.0},
    "no extension": {"expand": False, "hard_bounds": {}},
}


class SobolBoxSampler(BoxStages, SobolSampler[CoarseToFineSearch]):
    """Coarse-to-fine with Sobol points in its boxes instead of independent draws."""


class Result(NamedTuple):
    """How good the best trial of a search is."""

    score: float
    worth: float
    regret: float


@cache
def curve_of(name: str) -> Lookup | Formula:
    """The curves of a case."""
    case = CASES[name]
    return Lookup(case) if case.table else Formula(case)


def staged(
    name: str, stages: Sequence[tuple[int, int]] = STAGES, settings: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Coarse-to-fine, held within the table of a case."""
    return {
        "search": {
            "kind": "coarse_to_fine",
            "stages": [{"trials": trials, "epochs": epochs} for trials, epochs in stages],
            "hard_bounds": CASES[name].wide,
            **(settings or {}),
        }
    }


def run_study(
    name: str, seed: int, sections: Mapping[str, Any], following: NextStage = next_stage
) -> Result:
    """Runs one study, one trial at a time: so adaptive searches learn from every trial."""
    limits = {"epochs": BUDGET, "failed_trials": None}
    document = {**CASES[name].document, "seed": seed, "limits": limits, **sections}
    curve = curve_of(name)
    best = simulate(parse_study(document), curve, next_stage=following).chosen
    if best is None:
        return Result(math.inf, math.inf, math.inf)
    full = curve(best.params, EPOCHS, (seed, best.origin)).losses
    worth = curve.expected(best.params)
    return Result(min(filter(math.isfinite, full)), worth, worth / curve.least - 1)


Table: TypeAlias = Mapping[str, NDArray[np.float64]]
"""By case: the results of each seed, [S, 3]."""


@dataclass(frozen=True)
class Contest:
    """The cases and the studies' seeds."""

    names: Sequence[str]
    seeds: Sequence[int]

    def run(
        self, sections: Callable[[str], Mapping[str, Any]], following: NextStage = next_stage
    ) -> Table:
        """A search on all of them; `sections` are those of the spec for a case."""
        return {
            name: np.array(
                [run_study(name, seed, sections(name), following) for seed in self.seeds]
            )
            for name in self.names
        }

    def run_method(self, method: str) -> Table:
        """One of METHODS on all of them."""
        return self.run(lambda _: METHODS[method])


def wins(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where `one` is lower, ½ where both are equal."""
    return np.where(np.isclose(one, other, rtol=1e-6), 0.5, np.where(one < other, 1.0, 0.0))


def win_rate(won: NDArray[np.float64]) -> str:
    """A share of wins with its 95 % interval."""
    return f"{won.mean():4.0%} ±{1.96 * won.std() / math.sqrt(won.size):4.0%}"


def compare(contest: Contest, others: Sequence[str]) -> None:
    """Prints coarse-to-fine against other searches."""
    names = contest.names
    ours = contest.run(staged)
    tables = {"coarse_to_fine": ours} | {method: contest.run_method(method) for method in others}
    for column, title in enumerate(Result._fields):
        print(f"\nmedian {title:15s}" + "".join(f"{method:>16s}" for method in tables))
        for name in names:
            cells = [np.median(table[name][:, column]) for table in tables.values()]
            print(f"{name:22s}" + "".join(f"{cell:16.4f}" for cell in cells))
    for column, title in enumerate(Result._fields[:2]):
        print(f"\nwins by {title:14s}" + "".join(f"{method:>16s}" for method in others))
        won = {
            method: [wins(ours[n][:, column], tables[method][n][:, column]) for n in names]
            for method in others
        }
        for i, name in enumerate(names):
            print(f"{name:22s}" + "".join(f"{win_rate(won[m][i]):>16s}" for m in others))
        print(f"{'all':22s}" + "".join(f"{win_rate(np.concatenate(won[m])):>16s}" for m in others))
        for method in others:
            lost = [n for n, w in zip(names, won[method], strict=True) if w.mean() < 0.5]
            level = [n for n, w in zip(names, won[method], strict=True) if w.mean() == 0.5]
            print(
                f"against {method}: ahead on {len(names) - len(lost) - len(level)} of {len(names)}"
                f"; level on {', '.join(level) or 'none'}; behind on {', '.join(lost) or 'none'}"
            )


def compare_rules(contest: Contest) -> None:
    """Prints wins of ways to narrow over random search and TPE, all cases together."""
    base = [contest.run_method(method) for method in ("random", "tpe")]
    print(f"{'':34s}{'score':>12s}{'score':>12s}{'worth':>12s}{'worth':>12s}")
    print(f"{'wins over':34s}{'random':>12s}{'tpe':>12s}{'random':>12s}{'tpe':>12s}")

    def row(label: str, ours: Table) -> None:
        cells = [
            win_rate(np.concatenate([wins(ours[n][:, c], other[n][:, c]) for n in contest.names]))
            for c in (0, 1)
            for other in base
        ]
        print(f"{label:34s}" + "".join(f"{cell:>12s}" for cell in cells), flush=True)

    for label, rule in RULES.items():
        row(label, contest.run(staged, rule))
    for label, stages in SPLITS.items():
        row(label, contest.run(partial(staged, stages=stages)))
    for label, settings in SETTINGS.items():
        row(label, contest.run(partial(staged, settings=settings)))
    with patch.object(CoarseToFineSearch, "implementation", "benchmarks.search:SobolBoxSampler"):
        row("Sobol points in the box", contest.run(staged))


def main() -> None:
    """Compares as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", action="store_true", help="compare ways to narrow")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--against", nargs="*", default=list(METHODS))
    options = parser.parse_args()
    formulas = ", ".join(case.name for case in FORMULAS)
    print(f"{len(options.cases)} problems (formulas: {formulas}), {options.seeds} seeds")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    contest = Contest(options.cases, seeds)
    if options.rules:
        compare_rules(contest)
    else:
        compare(contest, options.against)


if __name__ == "__main__":
    main()
