"""Every kind of ensemble against the best single trial: `python -m benchmarks.ensembles`.

A seed is a study: it draws the split (40 % train, 20 % validate, 40 % test) and the configurations
of a random search, 40 trials with the learning rate and the weight decay of adamw log-uniform.
Ensembles are built from its checkpoints as a worker builds them. What they are compared with is the
best epoch of the best trial by validation accuracy, the study's objective; its first such epoch,
where there are several. Test rows are read once, for the scores.

Three studies are trained for a seed: with warm restarts (greedy, top_k, reinit, snapshots), the
same from shared initial weights (soups), and at a constant learning rate (averages of late weights,
which are compared with the last epoch of their own trial too).

gain      mean over seeds of accuracy, or of log loss the other way round: above 0 the ensemble is
          better. ± is a 95 % confidence interval, Student's t over seeds; ±0 where all seeds give
          the same, as when they tie, and ±? of a single seed.
w/t/l     seeds on which the ensemble's test accuracy is higher, equal, lower
error     the single model's test error → the ensemble's, means over seeds, and the reduction

Exits with 1 when greedy ensembles miss the goal: a gain in accuracy above 0 with its interval on
every data set, and at least 10 % of the error on digits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter

from benchmarks.gains import Pair, Row, Score, print_rows
from benchmarks.trained_study import StudyCheckpoints, random_params, train
from hpsearch.ensemble_builder import build as build_ensemble
from hpsearch.ensemble_builder.metric_functions import trial_metrics
from hpsearch.ensembling import predictions
from hpsearch.ensembling.combining import combine, member_values
from hpsearch.ensembling.scores import scores
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.ensembles import Candidate, EnsembleResult

TRIALS = 40
SIZE = 10
GOAL = 0.1
"""Of the error on digits."""


class Case(NamedTuple):
    """A data set and how trials learn it."""

    epochs: int
    batch_size: int
    seeds: int
    """Small test sets tie often, so they take more."""


CASES: Mapping[str, Case] = {
    "digits": Case(30, 32, 20),
    "breast_cancer": Case(30, 32, 60),
    "wine": Case(30, 16, 40),
    "spiral": Case(60, 32, 40),
}
FEWER = 20
"""Seeds of soups and averages."""


Pairs = dict[str, Pair]
"""By row of a table."""


def study_of(name: str, seed: int, sections: Mapping[str, Any]) -> StudySpec:
    """A study of a case."""
    case = CASES[name]
    document = {
        "name": name,
        "seed": seed,
        "task": {
            "dataset": name,
            "split": {"validation": 0.2, "test": 0.4},
            "model": {"kind": "mlp", "hidden": [64, 64]},
        },
        "optimizer": {
            "kind": "adamw",
            "lr": {"log_uniform": [1e-4, 3e-2]},
            "weight_decay": {"log_uniform": [1e-5, 1e-1]},
        },
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
        "search": {"kind": "random", "trials": TRIALS},
    }
    training = {"epochs": case.epochs, "batch_size": case.batch_size}
    return parse_study(
        {**document, **sections, "training": {**training, **sections.get("training", {})}}
    )


def restarts(name: str) -> Mapping[str, Any]:
    """Five cycles of a cosine."""
    return {"schedule": {"kind": "cosine_restarts", "first_period": CASES[name].epochs / 5}}


@dataclass
class Trained:
    """A study's candidates and what it would use without an ensemble."""

    study: StudySpec
    checkpoints: StudyCheckpoints

    def build(self, request: Mapping[str, Any], candidates: Sequence[Candidate]) -> EnsembleResult:
        """An ensemble of some of them."""
        spec: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
        return build_ensemble(spec, self.study, candidates, self.checkpoints).result

    def alone(self, candidate: Candidate) -> Score:
        """One checkpoint."""
        part = predictions.read(self.checkpoints.predictions(candidate)).test
        if part is None:
            raise ValueError("the benchmark's studies keep test rows")
        members = member_values(part)[None]
        return _score(scores(combine(members, np.ones(1), "mean"), part.targets, trial_metrics()))

    @property
    def usual(self) -> list[Candidate]:
        """Best and last epochs, which a study keeps by default."""
        return [c for c in self.checkpoints.candidates if c.best or c.last]

    @property
    def single(self) -> Candidate:
        """The best epoch of the best trial; of equals the first."""
        best = [c for c in self.checkpoints.candidates if c.best]
        return min(best, key=lambda c: (-(c.value or 0.0), c.trial))


def _score(metrics: Mapping[str, float]) -> Score:
    return Score(metrics["accuracy"], metrics["loss"])


def _trained(name: str, seed: int, sections: Mapping[str, Any]) -> Trained:
    study = study_of(name, seed, sections)
    trials = train(study, random_params(study, TRIALS), CASES[name].epochs)
    return Trained(study, StudyCheckpoints(trials))


def with_restarts(name: str, seed: int) -> Iterator[tuple[str, Pair]]:
    """Kinds that combine what trials predict."""
    sections = {**restarts(name), "checkpoints": {"snapshots": True}}
    trained = _trained(name, seed, sections)
    single = trained.alone(trained.single)
    snapshots = trained.checkpoints.candidates
    for label, request, candidates in (
        ("greedy", {"kind": "greedy"}, trained.usual),
        ("greedy, no bags", {"kind": "greedy", "bags": 0}, trained.usual),
        ("greedy, val_loss", {"kind": "greedy", "metric": "val_loss"}, trained.usual),
        ("greedy, + snapshots", {"kind": "greedy"}, snapshots),
        ("greedy, vote", {"kind": "greedy", "combine": "vote"}, trained.usual),
        ("greedy, weighted", {"kind": "greedy", "combine": "weighted"}, trained.usual),
        ("top_k", {"kind": "top_k"}, trained.usual),
        ("top_k, val_loss", {"kind": "top_k", "metric": "val_loss"}, trained.usual),
        ("snapshots", {"kind": "snapshots", "size": 5}, snapshots),
    ):
        result = trained.build({"size": SIZE, **request}, candidates)
        yield label, Pair(_score(result.test), single)
        if label == "greedy":
            rival = min(trained.usual, key=lambda candidate: _validation_loss(trained, candidate))
            yield "greedy against least val_loss", Pair(_score(result.test), trained.alone(rival))
    plan = random_params(trained.study, TRIALS)[trained.single.trial]
    again = train(trained.study, [plan] * SIZE, CASES[name].epochs, first=TRIALS)
    reinit = Trained(trained.study, StudyCheckpoints(again))
    result = reinit.build({"kind": "reinit", "size": SIZE}, reinit.checkpoints.candidates)
    yield "reinit", Pair(_score(result.test), single)


def _validation_loss(trained: Trained, candidate: Candidate) -> float:
    part = predictions.read(trained.checkpoints.predictions(candidate)).validation
    combined = combine(member_values(part)[None], np.ones(1), "mean")
    return scores(combined, part.targets, trial_metrics())["loss"]


def with_shared_weights(name: str, seed: int) -> Iterator[tuple[str, Pair]]:
    """Soups."""
    trained = _trained(name, seed, {**restarts(name), "training": {"init_seed": "shared"}})
    single = trained.alone(trained.single)
    for kind in ("soup_uniform", "soup_greedy"):
        result = trained.build({"kind": kind, "size": SIZE}, trained.usual)
        yield kind, Pair(_score(result.test), single)


def at_a_constant_rate(name: str, seed: int) -> Iterator[tuple[str, Pair]]:
    """Averages of a trial's weights, against the best single trial and against its last ones."""
    sections = {"training": {"ema": {}, "swa": {}}, "checkpoints": {"recent": SIZE}}
    trained = _trained(name, seed, sections)
    best = trained.single
    single = trained.alone(best)
    of_trial = [c for c in trained.checkpoints.candidates if c.trial == best.trial]
    last = trained.alone(next(c for c in of_trial if c.last))
    for kind in ("average", "ema", "swa"):
        result = trained.build({"kind": kind, "size": SIZE}, trained.checkpoints.candidates)
        yield kind, Pair(_score(result.test), single)
        yield f"{kind} against last", Pair(_score(result.test), last)


def measure(task: tuple[str, int, bool]) -> Pairs:
    """All rows of one seed; soups and averages where asked for."""
    name, seed, is_whole = task
    torch.set_num_threads(1)
    pairs = dict(with_restarts(name, seed))
    if is_whole:
        pairs |= dict(with_shared_weights(name, seed))
        pairs |= dict(at_a_constant_rate(name, seed))
    return pairs


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=_count, help="of every data set; soups and averages too")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--datasets", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    missed = []
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for name in options.datasets:
            seeds = options.seeds or CASES[name].seeds
            tasks = [
                (name, options.first_seed + i, i < (options.seeds or FEWER)) for i in range(seeds)
            ]
            results = list(pool.map(measure, tasks))
            rows = {
                label: Row([pairs[label] for pairs in results if label in pairs])
                for label in results[0]
            }
            others = {label: row for label, row in rows.items() if "against" in label}
            singles = {label: row for label, row in rows.items() if label not in others}
            print_rows(f"{name}: against the best single trial", singles)
            print_rows(f"{name}: against others", others)
            missed += _missed(name, rows["greedy"])
    for sentence in missed:
        print(sentence)
    return int(bool(missed))


def _count(text: str) -> int:
    """At least 1."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}; leave it out for all")
    return count


def _missed(name: str, greedy: Row) -> list[str]:
    """What the goal asks for and greedy ensembles do not show."""
    sentences = []
    if greedy.accuracy.mean <= greedy.accuracy.half:
        sentences.append(f"{name}: the gain of greedy ensembles, {greedy.accuracy}, may be 0")
    if name == "digits" and greedy.reduction < GOAL:
        sentences.append(
            f"digits: the error is cut by {greedy.reduction:.0%}, less than {GOAL:.0%}"
        )
    return sentences


if __name__ == "__main__":
    raise SystemExit(main())
