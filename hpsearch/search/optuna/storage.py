"""The trials of one study as a plain list that Optuna's samplers read.

Optuna's own storage in memory copies each trial deeply and can only add to its end. Here the
ended trials stay, and those that run, which stand behind them, are replaced at will. A trial's
number and id are its index in the list.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

STUDY_ID = 0
STUDY_NAME = "study"
UNTIMED = datetime.fromtimestamp(0, UTC)
"""Optuna wants a time of each trial; no sampler of ours reads it."""


class TrialListStorage(BaseStorage):
    """An Optuna storage of one study, whose trials are the list `trials`."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []
        self._directions: list[StudyDirection] = []
        self._user: dict[str, Any] = {}
        self._system: dict[str, Any] = {}

    def add(
        self,
        state: TrialState,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        values: Sequence[float] | None = None,
        reports: Mapping[int, float] | None = None,
    ) -> FrozenTrial:
        """Appends a trial without checking it.

        Args:
            state: Optuna's.
            params: in Optuna's terms, by name.
            distributions: of each of the params.
            values: of the objectives; none unless it is complete.
            reports: its intermediate values by step.

        Returns:
            The trial as it stands in the list, not a copy.
        """
        trial = FrozenTrial(
            number=len(self.trials),
            trial_id=len(self.trials),
            state=state,
            value=None,
            values=values,
            params=dict(params),
            distributions=dict(distributions),
            intermediate_values=dict(reports or {}),
            user_attrs={},
            system_attrs={},
            datetime_start=UNTIMED,
            datetime_complete=UNTIMED if state.is_finished() else None,
        )
        self.trials.append(trial)
        return trial

    @override
    def create_new_study(
        self,
        directions: Sequence[StudyDirection],
        study_name: str | None = None,
    ) -> int:
        self._directions = list(directions)
        return STUDY_ID

    @override
    def delete_study(self, study_id: int) -> None:
        self.trials.clear()

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._user[key] = value

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._system[key] = value

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        return STUDY_ID

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        return STUDY_NAME

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._user

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._system

    @override
    def get_all_studies(self) -> NoReturn:
        # Samplers never ask for it, and what it returns is no public type of Optuna.
        raise NotImplementedError("a TrialListStorage holds one study and lists none")

    @override
    def create_new_trial(
        self,
        study_id: int,
        template_trial: FrozenTrial | None = None,
    ) -> int:
        if template_trial is None:
            self.add(TrialState.RUNNING, {}, {})
        else:
            trial = copy.deepcopy(template_trial)
            self.add(
                trial.state,
                trial.params,
                trial.distributions,
                trial.values,
                trial.intermediate_values,
            )
        return len(self.trials) - 1

    @override
    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        trial = self.trials[trial_id]
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    @override
    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        self.trials[trial_id].state = state
        self.trials[trial_id].values = values
        return True

    @override
    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        self.trials[trial_id].intermediate_values[step] = intermediate_value

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trials[trial_id].user_attrs[key] = value

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trials[trial_id].system_attrs[key] = value

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.trials[trial_id]

    @override
    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        if states == (TrialState.WAITING,):
            return []  # Optuna looks for enqueued trials whenever it is asked; here are none
        trials = [trial for trial in self.trials if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials
