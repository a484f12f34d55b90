"""How much each parameter decides of a target, by Optuna's evaluators.

They see every parameter on its own axis (decades of a learning rate are equally long), and the
complete trials of one stage: those of other lengths, or stopped early, do not compare. What hangs
on a choice exists in some trials only: PED-ANOVA takes that as it is, for the forests it stands
in the middle of its range where it is absent. Nothing here is random but for `SEED`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from statistics import stdev
from typing import Any, NamedTuple

from hpsearch.advice.ranking import comparable
from hpsearch.optional import require_extra
from hpsearch.spec.language.distributions import Choice, Interval
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.advice import (
    Evaluator,
    Importance,
    Importances,
    ImportanceTarget,
    MeasuredTrial,
)

LEAST_TRIALS = 10
LEAST_PER_PARAMETER = 2
MOST_TRIALS = 300
"""For a forest, which takes some seconds for so many: the first ones."""

HALVES = 8
SEED = 0

NAMES: Mapping[ImportanceTarget, str] = {
    "value": "the objective",
    "epochs_to_best": "the number of epochs to the best one",
    "seconds": "the training time",
}


class _Row(NamedTuple):
    """A trial as evaluators see it."""

    positions: Mapping[str, float | int]
    """Of each of its parameters, on its axis in [0, 1], or the index of its option."""
    target: float


def importances(
    space: SearchSpace,
    tried: Sequence[MeasuredTrial],
    evaluator: Evaluator = "ped_anova",
    target: ImportanceTarget = "value",
) -> Importances:
    """The parameters by their importance; empty, with a note, where the trials cannot tell.

    Args:
        space: the study's.
        tried: its trials.
        evaluator: which of Optuna's.
        target: what they may matter for; less is better in all of them.

    Raises:
        MissingPackage: where Optuna, or scikit-learn for a forest, is not installed.
    """
    parameters = [parameter for parameter in space.parameters if not _is_single(parameter)]
    stage, rows = _rows(parameters, tried, target)

    def answer(note: str, ranked: Sequence[Importance] = ()) -> Importances:
        return Importances(
            evaluator=evaluator,
            target=target,
            stage=stage,
            trials=len(rows),
            importances=list(ranked),
            note=note,
        )

    needed_trials = max(LEAST_TRIALS, LEAST_PER_PARAMETER * len(parameters))
    if not parameters:
        return answer("no parameter has more than one value, so none can matter")
    if len(rows) < needed_trials:
        return answer(
            f"importances need {needed_trials} complete trials for "
            f"{pluralize(len(parameters), 'parameter')}, and stage {stage} has {len(rows)}"
        )
    if len({row.target for row in rows}) == 1:
        return answer(f"{NAMES[target]} is the same in all {len(rows)} trials")
    notes = [f"{pluralize(len(rows), 'complete trial')}"]
    if any(measured.trial.stage != stage for measured in tried):
        notes.append(f"those of stage {stage} alone")
    if evaluator != "ped_anova" and len(rows) > MOST_TRIALS:
        rows = rows[:MOST_TRIALS]
        notes.append(f"the first {MOST_TRIALS:,} of them")
    optuna = require_extra("optuna", "server", "importances")
    optunas = _evaluator(optuna, evaluator)
    trials = _as_trials(optuna, parameters, rows, fill=evaluator != "ped_anova")
    shares = dict.fromkeys((p.name for p in parameters), 0.0) | _evaluate(optuna, optunas, trials)
    spreads = _spreads(optuna, optunas, trials) if evaluator == "ped_anova" else {}
    return answer(
        ", ".join(notes),
        [
            Importance(parameter=name, importance=shares[name], spread=spreads.get(name))
            for name in sorted(shares, key=lambda name: (-shares[name], name))
        ],
    )


def _evaluator(optuna: Any, name: Evaluator) -> Any:
    if name == "ped_anova":
        return optuna.importance.PedAnovaImportanceEvaluator()
    require_extra("sklearn.ensemble", "worker", f"{name} importances")
    if name == "fanova":
        return optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    return optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=SEED)


def _is_single(parameter: Parameter) -> bool:
    distribution = parameter.distribution
    if isinstance(distribution, Choice):
        return len(distribution.choice) == 1
    return isinstance(distribution, Interval) and distribution.low == distribution.high


def _rows(
    parameters: Sequence[Parameter], tried: Sequence[MeasuredTrial], target: ImportanceTarget
) -> tuple[int, list[_Row]]:
    """The complete trials of one stage that have the target, and that stage."""
    complete = {
        measured.trial.number: measured
        for measured in tried
        if measured.trial.state is TrialState.COMPLETE
    }
    compared = comparable([measured.trial for measured in complete.values()])
    rows = []
    for trial in compared:
        measured = complete[trial.number]
        value = trial.loss if target == "value" else getattr(measured, target)
        if value is not None and math.isfinite(value):
            positions = {
                parameter.name: _position(parameter, trial.params[parameter.name])
                for parameter in parameters
                if parameter.name in trial.params
            }
            rows.append(_Row(positions, float(value)))
    return (compared[0].stage if compared else 0), rows


def _position(parameter: Parameter, value: Any) -> float | int:
    distribution = parameter.distribution
    if isinstance(distribution, Choice):
        return distribution.index(value)
    return distribution.to_unit(value)


def _as_trials(
    optuna: Any, parameters: Sequence[Parameter], rows: Sequence[_Row], *, fill: bool
) -> list[Any]:
    """The rows as Optuna's trials; with `fill` each has every parameter."""
    axes = {parameter.name: _axis(optuna, parameter, rows) for parameter in parameters}
    absent = {p.name: 0 if isinstance(p.distribution, Choice) else 0.5 for p in parameters}
    trials = []
    for number, row in enumerate(rows):
        params = {**absent, **row.positions} if fill else row.positions
        distributions = {name: axes[name] for name in params}
        trials.append(
            optuna.trial.FrozenTrial(
                number=number,
                trial_id=number,
                state=optuna.trial.TrialState.COMPLETE,
                value=row.target,
                params=dict(params),
                distributions=distributions,
                datetime_start=None,
                datetime_complete=None,
                user_attrs={},
                system_attrs={},
                intermediate_values={},
            )
        )
    return trials


def _evaluate(optuna: Any, evaluator: Any, trials: Sequence[Any]) -> dict[str, float]:
    """Importances that sum to 1, by parameter.

    A parameter that all trials but one have, or one alone has, is left out.
    """
    present = Counter(name for trial in trials for name in trial.params)
    # In the order of their names, as some evaluators take them to be.
    names = sorted(name for name, times in present.items() if _can_judge(times, len(trials)))
    values = evaluator.evaluate(_FixedStudy(optuna, trials), params=names)
    total = math.fsum(values.values())
    if total <= 0:
        return dict.fromkeys(names, 1 / len(names))
    return {name: float(value) / total for name, value in values.items()}


def _can_judge(present: int, trials: int) -> bool:
    """Whether so many of the trials have a parameter that its importance can be judged."""
    return present == trials or 1 < present < trials - 1


def _axis(optuna: Any, parameter: Parameter, rows: Sequence[_Row]) -> Any:
    """As Optuna's distribution: the unit interval, wider where trials lie past it."""
    distribution = parameter.distribution
    if isinstance(distribution, Choice):
        return optuna.distributions.CategoricalDistribution(range(len(distribution.choice)))
    positions = [row.positions[parameter.name] for row in rows if parameter.name in row.positions]
    return optuna.distributions.FloatDistribution(min([0.0, *positions]), max([1.0, *positions]))


def _spreads(optuna: Any, evaluator: Any, trials: Sequence[Any]) -> dict[str, float]:
    """Standard deviations of the importances, by those of random halves of the trials.

    A half's deviation from the whole is distributed as the whole's from the truth (Politis & Romano
    1994).
    """
    random = Random(SEED)  # noqa: S311 (no secret)
    halves = [
        _evaluate(optuna, evaluator, random.sample(trials, len(trials) // 2)) for _ in range(HALVES)
    ]
    names = {name for shares in halves for name in shares}
    return {name: stdev(shares.get(name, 0.0) for shares in halves) for name in names}


class _FixedStudy:
    """What an evaluator reads of a study, over trials that are given.

    Optuna's own study copies every trial (of 10,000 trials that takes three times as long as the
    evaluation itself) and logs that it was made. What evaluators read of it is no public interface,
    so pyproject.toml bounds Optuna's version.
    """

    def __init__(self, optuna: Any, trials: Sequence[Any]) -> None:
        self.directions = [optuna.study.StudyDirection.MINIMIZE]
        self._trials = trials

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> Sequence[Any]:  # noqa: ARG002
        """All trials, whatever is asked for: each of them is complete."""
        return self._trials

    @staticmethod
    def _is_multi_objective() -> bool:
        return False
