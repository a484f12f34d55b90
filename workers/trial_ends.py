"""The ends of trials: what their kept states predict, then that they are over.

What several trials predict that end at once is computed together. What fails is one trial's
fault: it is given back once its states are sent, and the others end as they would have.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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

    run: LeasedTrial
    state: TrialState
    reason: TrialReason | None = None
    message: str | None = None


class _Said(NamedTuple):
    """What a state predicts."""

    test_metrics: dict[str, float]
    content: bytes
    """As it is stored."""


class TrialEnds:
    """Collects ends and states; `send` sends what has come together.

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

    def store(self, run: LeasedTrial, states: Sequence[PendingState]) -> None:
        """Takes a trial's states on, which the server is to keep."""
        for state in states:
            self._uploader.checkpoint(run, state)
            if state.reasons:  # the best and the last one may yet change
                self._states.append((run, state))

    def end(self, end: TrialEnd) -> None:
        """Takes a trial's end on."""
        if not end.run.over:
            self._ends.append(end)

    def send(self) -> None:
        """Sends all."""
        ends, self._ends = self._ends, []
        states, self._states = self._states, []
        told = {(run.number, state.epoch) for run, state in states}
        states += [
            (end.run, state)
            for end in ends
            for state in _final(end.run)
            if (end.run.number, state.epoch) not in told
        ]
        said: dict[tuple[int, int], _Said] = {}
        faults: dict[int, tuple[LeasedTrial, FailureCause]] = {}
        for (run, state), found in zip(states, self._predict(states), strict=True):
            if isinstance(found, FailureCause):
                faults.setdefault(run.number, (run, found))
            elif found is not None:
                said[run.number, state.epoch] = found
                self._uploader.predictions(run, state.epoch, found.content)
        for end in ends:
            if end.run.number not in faults:
                completion = self._completed(end, said)
                if isinstance(completion, FailureCause):
                    faults[end.run.number] = (end.run, completion)
                else:
                    self._uploader.end(end.run, completion)
        for run, fault in faults.values():
            self._uploader.fail(run, fault)
        self._uploader.send()

    def _predict(
        self, states: Sequence[tuple[LeasedTrial, PendingState]]
    ) -> list[_Said | FailureCause | None]:
        """What states predict.

        None where one of them cannot, a fault where its trial cannot go on for it; neither costs
        the others anything.
        """
        if not states:
            return []
        try:
            made = self._predictor.predict_all([(run.plan, one.content) for run, one in states])
            return [
                None if found is None else _said(run, state, found)
                for (run, state), found in zip(states, made, strict=True)
            ]
        except Exception as error:
            # It runs what people wrote, on data that may be gone: its errors are the trial's.
            if len(states) == 1:
                ((run, state),) = states
                if not _is_survived(error):
                    logger.exception(
                        "trial %d, epoch %d, cannot be predicted", run.number, state.epoch
                    )
                    return [cause_of(error)]
                logger.warning(
                    "no predictions of trial %d, epoch %d, are stored: %s",
                    run.number, state.epoch, error,
                )  # fmt: skip
                return [None]
        half = len(states) // 2
        return self._predict(states[:half]) + self._predict(states[half:])

    def _completed(
        self, end: TrialEnd, said: dict[tuple[int, int], _Said]
    ) -> JobCompletion | FailureCause:
        """What the server is told of an end; a fault where a trial cannot be scored."""
        try:
            return self._completion(end, said)
        except Exception as error:
            # As in predicting: the others' ends must not wait for this one.
            logger.exception("trial %d cannot be scored", end.run.number)
            return cause_of(error)

    def _completion(self, end: TrialEnd, said: dict[tuple[int, int], _Said]) -> JobCompletion:
        run = end.run
        return JobCompletion(
            job=run.job.id,
            attempt=run.job.attempt,
            state=end.state,
            reason=end.reason,
            message=end.message,
            test_metrics=self._test_metrics(run, said),
            training=TrainingInfo(group=run.group, why=run.why),
        )

    def _test_metrics(
        self, run: LeasedTrial, said: dict[tuple[int, int], _Said]
    ) -> dict[str, float]:
        """Of the best state; a plug-in may have some although nothing can be combined."""
        if run.best is None or run.best_epoch is None or not run.tests:
            return {}
        if predicted := said.get((run.number, run.best_epoch)):
            return predicted.test_metrics
        try:
            measured = evaluate(run.plan, run.best, "test", device=self._device)
        except Exception as error:
            if isinstance(error, TrainingFailed) or not _is_survived(error):
                raise
            logger.warning("trial %d ends without test scores: %s", run.number, error)
            return {}
        return {k: v for k, v in measured.items() if k.startswith("test_")}


def _is_survived(error: Exception) -> bool:
    """Whether a trial goes on without what an error keeps from being computed."""
    return isinstance(error, CorruptArtifact | TrainingFailed) or is_out_of_memory(error)


def _said(run: LeasedTrial, state: PendingState, predicted: TrialPredictions) -> _Said:
    sha256 = hashlib.sha256(state.content).hexdigest()
    content = predictions_blob(predicted, trial=run.number, epoch=state.epoch, checkpoint=sha256)
    return _Said(predicted.test_metrics, content)


def _final(run: LeasedTrial) -> list[PendingState]:
    """The best and the last state of a trial that ends, the best one for its scores in any case."""
    found = {}
    if run.last is not None and "last" in run.plan.spec.checkpoints.keep:
        found[run.last_epoch] = PendingState(run.last_epoch, run.last, last=True)
    if run.best is not None and run.best_epoch is not None:
        found[run.best_epoch] = PendingState(run.best_epoch, run.best, best=True)
    return list(found.values())
