"""Which hyperparameters each step takes: learning rate, momentum and the optimizer's others.

U   optimizer steps of an epoch        K   trials
Those of an epoch are tables [U, K, 1] made before its first step; a step only picks its row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.training.group.state import GroupState
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.optimizers import hyperparameters_of, rule_for, scales_of
from hpsearch.training.schedules import Horizon, lr_factors, momentum_values, reads_history
from hpsearch.training.update.ema_swa import ema_decay


class HyperparameterTable:
    """A group's optimizer and its trials' schedules, for the rows of `state` as they are.

    Args:
        trials: K, one for each row of `state`.
        state: says how many updates each trial has taken.
        steps: U.
    """

    def __init__(self, trials: Sequence[TrialProgress], state: GroupState, steps: int) -> None:
        optimizers = [trial.plan.spec.optimizer for trial in trials]
        device = state.weights.device
        self._trials, self._state, self._steps = trials, state, steps
        self._hyperparameters = hyperparameters_of(optimizers, device=device)
        self._momentum = type(optimizers[0]).momentum_field
        self.rule = rule_for(optimizers[0], state.layout)
        self.scales = scales_of(optimizers, state.layout, state.weights.dtype, device)
        self.last_rates: list[dict[str, float]] = []
        """`lr` and, where the optimizer has it, `momentum` in the epoch's last step, by trial."""

    def epoch(self) -> list[dict[str, Tensor]]:
        """The coefficients of each of the coming epoch's U steps."""
        rates = np.stack([self._rates(trial) for trial in self._trials], axis=1)
        hyperparameters = self._hyperparameters | {"lr": self._table(rates)}
        self.last_rates = [{"lr": float(lr)} for lr in rates[-1]]
        if self._momentum is not None:
            momenta = np.stack([self._momenta(trial) for trial in self._trials], axis=1)
            hyperparameters[self._momentum] = self._table(momenta)
            for rates_of_trial, momentum in zip(self.last_rates, momenta[-1], strict=True):
                rates_of_trial["momentum"] = float(momentum)
        count = self._table(self._counts().astype(np.float64))
        return self.rule.coefficients_by_step(hyperparameters, count, self._state.weights.dtype)

    def ema_decays(self) -> Tensor | None:
        """The decay d after each of the coming steps, [U, K, 1]; none without EMA."""
        emas = [trial.plan.spec.training.ema for trial in self._trials]
        if emas[0] is None:
            return None
        counts = self._counts()
        columns = [ema_decay(ema.decay, counts[:, k]) for k, ema in enumerate(emas) if ema]
        return self._table(np.stack(columns, axis=1)).to(self._state.weights.dtype)

    def _counts(self) -> NDArray[np.int64]:
        """1-based numbers of the coming updates, [U, K]."""
        done: NDArray[np.int64] = self._state.updates.cpu().numpy()
        return np.add(np.arange(1, self._steps + 1)[:, None], done.T)

    def _table(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).unsqueeze(-1).to(self._state.weights.device)

    def _steps_of(self, trial: TrialProgress) -> tuple[NDArray[np.int64], Horizon]:
        """The coming steps' indices [U], and what they lie in."""
        first = trial.epoch * self._steps
        horizon = Horizon(self._steps, trial.plan.epochs, trial.schedule_seed)
        return np.arange(first, first + self._steps), horizon

    def _rates(self, trial: TrialProgress) -> NDArray[np.float64]:
        """Learning rates [U]."""
        spec = trial.plan.spec
        steps, horizon = self._steps_of(trial)
        history = trial.history_of(reads_history(spec.schedule))
        return spec.optimizer.lr * lr_factors(spec.schedule, steps, horizon, history)

    def _momenta(self, trial: TrialProgress) -> NDArray[np.float64]:
        """Momentum [U]: the optimizer's, cycled by the rate's schedule, times its own schedule."""
        spec = trial.plan.spec
        steps, horizon = self._steps_of(trial)
        own = float(getattr(spec.optimizer, str(self._momentum)))
        cycled = momentum_values(spec.schedule, steps, horizon, own)
        values = np.full(len(steps), own) if cycled is None else cycled
        schedule = spec.optimizer.momentum_schedule
        if schedule is None:
            return values
        history = trial.history_of(reads_history(schedule))
        return np.clip(values * lr_factors(schedule, steps, horizon, history), 0.0, 1.0)
