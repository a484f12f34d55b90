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
from hpsearch.spec.wire.advice import Evaluator, Importance, Importances, Measured, Target

LEAST_TRIALS = 10
LEAST_PER_PARAMETER = 2
MOST_TRIALS = 300
"""For a forest, which takes some seconds for so many: the first ones."""

HALVES = 8
SEED = 0

NAMES: Mapping[Target, str] = {
    "value": "the objective",
    "epochs_to_best": "the number of epochs to the best one",
    "seconds": "the training time",
}


class _Row(NamedTuple):
    """A trial: where each of its parameters lies on its axis (of a choice, which option), and what
    it came to.
    """  # noqa: D205

    places: Mapping[str, float | int]
    target: float


def importances(
    space: SearchSpace,
    tried: Sequence[Measured],
    evaluator: Evaluator = "ped_anova",
    target: Target = "value",
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

    def answer(note: str, found: Sequence[Importance] = ()) -> Importances:
        return Importances(
            evaluator=evaluator,
            target=target,
            stage=stage,
            trials=len(rows),
            importances=list(found),
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
    chosen = _evaluator(optuna, evaluator)
    trials = _as_trials(optuna, parameters, rows, fill=evaluator != "ped_anova")
    found = dict.fromkeys((p.name for p in parameters), 0.0) | _evaluated(optuna, chosen, trials)
    spreads = _spreads(optuna, chosen, trials) if evaluator == "ped_anova" else {}
    ranked = sorted(found, key=lambda name: (-found[name], name))
    return answer(
        ", ".join(notes), [_importance(name, found[name], spreads.get(name)) for name in ranked]
    )


def _evaluator(optuna: Any, name: Evaluator) -> Any:
    if name == "ped_anova":
        return optuna.importance.PedAnovaImportanceEvaluator()
    require_extra("sklearn.ensemble", "worker", f"{name} importances")
    if name == "fanova":
        return optuna.importance.FanovaImportanceEvaluator(seed=SEED)
    return optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=SEED)


def _importance(name: str, value: float, spread: float | None) -> Importance:
    return Importance(parameter=name, importance=value, spread=spread)


def _is_single(parameter: Parameter) -> bool:
    found = parameter.distribution
    if isinstance(found, Choice):
        return len(found.choice) == 1
    return isinstance(found, Interval) and found.low == found.high


def _rows(
    parameters: Sequence[Parameter], tried: Sequence[Measured], target: Target
) -> tuple[int, list[_Row]]:
    """The complete trials of one stage that have the target, and that stage."""
    complete = {one.trial.number: one for one in tried if one.trial.state is TrialState.COMPLETE}
    compared = comparable([one.trial for one in complete.values()])
    rows = []
    for trial in compared:
        measured = complete[trial.number]
        value = trial.loss if target == "value" else getattr(measured, target)
        if value is not None and math.isfinite(value):
            places = {
                parameter.name: _place(parameter, trial.params[parameter.name])
                for parameter in parameters
                if parameter.name in trial.params
            }
            rows.append(_Row(places, float(value)))
    return (compared[0].stage if compared else 0), rows


def _place(parameter: Parameter, value: Any) -> float | int:
    found = parameter.distribution
    return found.index(value) if isinstance(found, Choice) else found.to_unit(value)


def _as_trials(
    optuna: Any, parameters: Sequence[Parameter], rows: Sequence[_Row], *, fill: bool
) -> list[Any]:
    """The rows as Optuna's trials; with `fill` each has every parameter."""
    axes = {parameter.name: _axis(optuna, parameter, rows) for parameter in parameters}
    absent = {p.name: 0 if isinstance(p.distribution, Choice) else 0.5 for p in parameters}
    trials = []
    for number, row in enumerate(rows):
        params = {**absent, **row.places} if fill else row.places
        distributions = {name: axes[name] for name in params}
        trial = optuna.trial.create_trial(
            params=dict(params), distributions=distributions, value=row.target
        )
        trial.number = trial._trial_id = number
        trials.append(trial)
    return trials


def _evaluated(optuna: Any, evaluator: Any, trials: Sequence[Any]) -> dict[str, float]:
    """Importances that sum to 1; what all but one have, or one alone has, is left out."""
    present = Counter(name for trial in trials for name in trial.params)
    # In the order of their names, as some evaluators take them to be.
    names = sorted(name for name, times in present.items() if _tells(times, len(trials)))
    values = evaluator.evaluate(_Told(optuna, trials), params=names)
    total = math.fsum(values.values())
    if total <= 0:
        return dict.fromkeys(names, 1 / len(names))
    return {name: float(value) / total for name, value in values.items()}


def _tells(present: int, trials: int) -> bool:
    """Whether so many of the trials have a parameter that its presence can be judged too."""
    return present == trials or 1 < present < trials - 1


def _axis(optuna: Any, parameter: Parameter, rows: Sequence[_Row]) -> Any:
    """As Optuna's distribution: the unit interval, wider where trials lie past it."""
    found = parameter.distribution
    if isinstance(found, Choice):
        return optuna.distributions.CategoricalDistribution(range(len(found.choice)))
    places = [row.places[parameter.name] for row in rows if parameter.name in row.places]
    return optuna.distributions.FloatDistribution(min([0.0, *places]), max([1.0, *places]))


def _spreads(optuna: Any, evaluator: Any, trials: Sequence[Any]) -> dict[str, float]:
    """Standard deviations, by those of random halves (Politis & Romano 1994): a half's deviation
    from the whole is distributed as the whole's from the truth.
    """  # noqa: D205
    random = Random(SEED)  # noqa: S311 (no secret)
    halves = [
        _evaluated(optuna, evaluator, random.sample(trials, len(trials) // 2))
        for _ in range(HALVES)
    ]
    names = {name for found in halves for name in found}
    return {name: stdev(found.get(name, 0.0) for found in halves) for name in names}


class _Told:
    """What an evaluator reads of a study: Optuna's own would copy every trial, and log that."""

    def __init__(self, optuna: Any, trials: Sequence[Any]) -> None:
        self.directions = [optuna.study.StudyDirection.MINIMIZE]
        self._trials = trials

    def get_trials(self, deepcopy: bool = True, states: Any = None) -> Sequence[Any]:  # noqa: ARG002
        """All trials: each is complete."""
        return self._trials

    @staticmethod
    def _is_multi_objective() -> bool:
        return False
