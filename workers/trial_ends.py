"""The ends of trials: what their stored states predict, then that they are over.

What several trials predict that end at once is computed together. What fails is one trial's
fault: it fails once its states are sent, and the others end as they would have.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch

from hpsearch.ensemble_builder import predictions_blob
from hpsearch.errors import CorruptArtifact, TrainingFailed
from hpsearch.spec.language.states import TrialReason, TrialState
from hpsearch.spec.wire.jobs import JobCompletion, TrainingInfo
from hpsearch.training.evaluation.evaluation import evaluate
from hpsearch.training.evaluation.predictions import Predictor, TrialPredictions
from hpsearch.training.numerics.memory import is_out_of_memory
from workers.failures import FailureCause, cause_of
from workers.leased_trial import LeasedTrial
from workers.pending_states import PendingState
from workers.uploader import Uploader

logger = logging.getLogger("hpsearch.worker")


@dataclass(frozen=True)
class TrialEnd:
    """What became of a trial."""

    trial: LeasedTrial
    state: TrialState
    reason: TrialReason | None = None
    message: str | None = None
    """For people: why it was pruned."""


class StatePredictions(NamedTuple):
    """What a state predicts."""

    test_metrics: dict[str, float]
    content: bytes
    """As it is stored."""


Predictions: TypeAlias = Mapping[tuple[int, int], StatePredictions]
"""By trial number and epoch."""


class TrialEnds:
    """Collects the states and ends of a group's trials; `flush` predicts and sends them.

    Args:
        uploader: takes what is to be sent.
        device: where predictions are computed.
    """

    def __init__(self, uploader: Uploader, device: torch.device) -> None:
        self._uploader = uploader
        self._device = device
        self._predictor = Predictor(device=device)
        self._ends: list[TrialEnd] = []
        self._states: list[tuple[LeasedTrial, PendingState]] = []

    def add_states(self, trial: LeasedTrial) -> None:
        """Adds the states of a trial that the server does not have yet."""
        for state in trial.take_unstored():
            self._uploader.add_checkpoint(trial, state)
            if state.reasons:  # the best and the last one may yet change
                self._states.append((trial, state))

    def add(self, end: TrialEnd) -> None:
        """Adds a trial's end, behind the states of it that the server does not have yet."""
        self.add_states(end.trial)
        if not end.trial.is_over:
            self._ends.append(end)

    def flush(self) -> None:
        """Predicts what the states predict that will not change, and sends all.

        Raises:
            StorageFull: when the server has no room; what is not over is the caller's to give back.
        """
        ends, self._ends = self._ends, []
        states, self._states = self._states, []
        known = {(trial.number, state.epoch) for trial, state in states}
        states += [
            (end.trial, state)
            for end in ends
            for state in end.trial.final_states()
            if (end.trial.number, state.epoch) not in known
        ]
        predictions: dict[tuple[int, int], StatePredictions] = {}
        failures: dict[int, tuple[LeasedTrial, FailureCause]] = {}
        for (trial, state), result in zip(states, self._predict(states), strict=True):
            if isinstance(result, FailureCause):
                failures.setdefault(trial.number, (trial, result))
            elif result is not None:
                predictions[trial.number, state.epoch] = result
                self._uploader.add_predictions(trial, state.epoch, result.content)
        for end in ends:
            if end.trial.number not in failures:
                completion = self._completion(end, predictions)
                if isinstance(completion, FailureCause):
                    failures[end.trial.number] = (end.trial, completion)
                else:
                    self._uploader.add_completion(end.trial, completion)
        for trial, cause in failures.values():
            self._uploader.add_failure(trial, cause)
        self._uploader.flush()

    def _predict(
        self, states: Sequence[tuple[LeasedTrial, PendingState]]
    ) -> list[StatePredictions | FailureCause | None]:
        """What each state predicts.

        None where one cannot be predicted, a cause where its trial must fail for it; neither costs
        the others anything.
        """
        if not states:
            return []
        try:
            results = self._predictor.predict_all(
                [(trial.plan, state.content) for trial, state in states]
            )
            return [
                None if result is None else _stored_form(trial, state, result)
                for (trial, state), result in zip(states, results, strict=True)
            ]
        except Exception as error:
            # It runs what people wrote, on data that may be gone: its errors are the trial's.
            if len(states) == 1:
                ((trial, state),) = states
                if not _is_survived(error):
                    logger.exception(
                        "trial %d, epoch %d, cannot be predicted", trial.number, state.epoch
                    )
                    return [cause_of(error)]
                logger.warning(
                    "no predictions of trial %d, epoch %d, are stored: %s",
                    trial.number, state.epoch, error,
                )  # fmt: skip
                return [None]
        half = len(states) // 2
        return self._predict(states[:half]) + self._predict(states[half:])

    def _completion(self, end: TrialEnd, predictions: Predictions) -> JobCompletion | FailureCause:
        """What the server is told of an end; a cause where the trial cannot be scored."""
        trial = end.trial
        try:
            test_metrics = self._test_metrics(trial, predictions)
            return JobCompletion(
                job=trial.job.id,
                attempt=trial.job.attempt,
                state=end.state,
                reason=end.reason,
                message=end.message,
                test_metrics=test_metrics,
                training=TrainingInfo(group=trial.group_size, why=trial.group_reason),
            )
        except Exception as error:
            # As in predicting: the others' ends must not wait for this one.
            logger.exception("trial %d cannot be scored", trial.number)
            return cause_of(error)

    def _test_metrics(self, trial: LeasedTrial, predictions: Predictions) -> dict[str, float]:
        """Scores of the best state on test rows; a plug-in may have some without predictions."""
        if trial.best is None or trial.best_epoch is None or not trial.has_test_rows:
            return {}
        if predicted := predictions.get((trial.number, trial.best_epoch)):
            return predicted.test_metrics
        try:
            measured = evaluate(trial.plan, trial.best, "test", device=self._device)
        except Exception as error:
            if isinstance(error, TrainingFailed) or not _is_survived(error):
                raise
            logger.warning("trial %d ends without test scores: %s", trial.number, error)
            return {}
        return {name: value for name, value in measured.items() if name.startswith("test_")}


def _is_survived(error: Exception) -> bool:
    """Whether a trial goes on without what an error keeps from being computed."""
    return isinstance(error, CorruptArtifact | TrainingFailed) or is_out_of_memory(error)


def _stored_form(
    trial: LeasedTrial, state: PendingState, predicted: TrialPredictions
) -> StatePredictions:
    sha256 = hashlib.sha256(state.content).hexdigest()
    content = predictions_blob(predicted, trial=trial.number, epoch=state.epoch, checkpoint=sha256)
    return StatePredictions(predicted.test_metrics, content)
