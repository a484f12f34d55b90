"""A trial on the server, and trials and curves as notebooks show them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from hpsearch.client import notebook_html
from hpsearch.client.dataframes import curves_frame, trials_frame
from hpsearch.client.handle import Handle
from hpsearch.errors import CorruptArtifact, HpsearchError, NotFound
from hpsearch.optional import importing_extra
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.fields import MESSAGE_LENGTH
from hpsearch.spec.language.states import Decision, TrialReason, TrialState
from hpsearch.spec.wire import jobs, records
from hpsearch.spec.wire.datasets import BUILT_IN, DatasetInfo
from hpsearch.spec.wire.records import CheckpointList

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

    from hpsearch.inference.model import TrainedPredictor
    from hpsearch.spec.study import StudySpec


class Trial(Handle[records.Trial]):
    """A trial on the server; its properties are as they were when it was last read.

    >>> trial.state.value, trial.epochs_done, sorted(trial.params)
    ('complete', 5, ['optimizer.lr'])
    """

    @property
    def id(self) -> int:
        """Its key among the trials of all studies."""
        return self.record.id

    @property
    def number(self) -> int:
        """Its index in its study, from 0 on, by which `study.trial` finds it."""
        return self.record.number

    @property
    def study_id(self) -> int:
        """The study that it belongs to."""
        return self.record.study_id

    @property
    def state(self) -> TrialState:
        """Queued, running, complete, pruned or failed."""
        return self.record.state

    @property
    def reason(self) -> TrialReason | None:
        """Why it ended otherwise than by training all its epochs: diverged, lost, error, ..."""
        return self.record.reason

    @property
    def message(self) -> str | None:
        """What went wrong, in a sentence."""
        return self.record.message

    @property
    def stage(self) -> int:
        """The search's stage that it belongs to, from 0 on."""
        return self.record.stage

    @property
    def version(self) -> int:
        """The version of the study's spec that it runs with, from 1 on."""
        return self.record.version

    @property
    def attempt(self) -> int:
        """How often it was given to a worker, or to whoever asked for it."""
        return self.record.attempt

    @property
    def params(self) -> dict[str, Value]:
        """The value of each searched parameter by its name, such as `optimizer.lr`."""
        return self.record.params

    @property
    def continues(self) -> int | None:
        """The number of the trial whose training it went on with."""
        return self.record.continues

    @property
    def value(self) -> float | None:
        """The objective at the best epoch."""
        return self.record.value

    @property
    def values(self) -> list[float | None] | None:
        """With several objectives: each one's value at the best epoch of the first."""
        return self.record.values

    @property
    def best_epoch(self) -> int | None:
        """The epoch of `value`, 0-based."""
        return self.record.best_epoch

    @property
    def epochs_done(self) -> int:
        """How many epochs were reported."""
        return self.record.epochs_done

    @property
    def epochs(self) -> int:
        """How many epochs are planned."""
        return self.record.epochs

    @property
    def metrics(self) -> dict[str, float]:
        """The last epoch's metrics; a finished study's best trial has its test scores too."""
        return self.record.metrics

    @property
    def attributes(self) -> dict[str, Any]:
        """What is told of its way besides: how it was sampled, trained and judged."""
        return self.record.attributes

    @property
    def created_at(self) -> datetime:
        """When it was queued."""
        return self.record.created_at

    @property
    def started_at(self) -> datetime | None:
        """When its training began."""
        return self.record.started_at

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return self.record.finished_at

    def checkpoints(self) -> CheckpointList:
        """Returns its stored checkpoints, ordered by epoch.

        >>> [checkpoint.epoch for checkpoint in trial.checkpoints().checkpoints]
        [...4]
        """
        return self._transport.get(f"{self._path}/checkpoints", CheckpointList)

    def curve(self, metric: str) -> records.Curve:
        """Returns one of its metrics by epoch (0-based), as two lists of equal length.

        Args:
            metric: such as `val_loss`.

        Raises:
            NotFound: when the trial never reported the metric.

        >>> trial.curve("val_loss").epochs
        [0, 1, 2, 3, 4]
        """
        answer = self._transport.get(
            f"/studies/{self.study_id}/curves", records.Curves, metric=metric, trials=self.number
        )
        if not answer.curves:
            raise NotFound(
                f"a trial must have reported a metric to have its curve, and trial {self.number} "
                f"has none of {metric!r}; it has {', '.join(self.metrics) or 'none yet'}"
            )
        return answer.curves[0]

    def report(self, epoch: int, **metrics: float) -> bool:
        """Reports an epoch of a trial that `study.ask` gave, and returns whether to go on.

        Args:
            epoch: 0-based; each epoch once, in order.
            metrics: by name, the objective's among them.

        Raises:
            Conflict: when the trial is over, or was given to another.

        >>> trial = client.submit(own_loop).ask()[0]
        >>> trial.report(0, val_accuracy=0.7)
        True
        """
        report = jobs.TrialReport.checked(attempt=self.attempt, epoch=epoch, metrics=metrics)
        answer = self._transport.post(
            f"{self._path}:report", jobs.TrialDecision, report, repeatable=True
        )
        return answer.decision is Decision.CONTINUE

    def complete(
        self,
        value: float | None = None,
        *,
        state: TrialState | str = TrialState.COMPLETE,
        message: str | None = None,
    ) -> Self:
        """Ends a trial that `study.ask` gave, and returns it as it now is.

        Args:
            value: the objective; None takes the best epoch's that was reported.
            state: complete, pruned or failed.
            message: what went wrong, if anything did.

        Raises:
            Conflict: when the trial is over, or was given to another.

        >>> trial = client.submit(own_loop).ask()[0]
        >>> trial.complete(0.7).state.value
        'complete'
        """
        end = jobs.TrialCompletion.checked(
            attempt=self.attempt, value=value, state=state, message=message
        )
        self.record = self._transport.post(f"{self._path}:complete", records.Trial, end)
        return self

    def give_back(self) -> Self:
        """Gives a trial that `study.ask` gave to the next who asks, and returns it as it now is.

        A program that dies of an error does so with the trials that it has open.

        Raises:
            Conflict: when the trial is over, or was given to another.

        >>> trial = client.submit(own_loop).ask()[0]
        >>> trial.give_back().state.value
        'queued'
        """
        return self.complete(state=TrialState.QUEUED)

    def __enter__(self) -> Self:
        """Ends the trial at the end of a `with` block, unless that has done so.

        The best value that was reported counts; an exception fails the trial with its message, and
        Ctrl-C gives it back.

        >>> with client.submit(own_loop).ask()[0] as trial:
        ...     trial.report(0, val_accuracy=0.7)
        True
        >>> trial.value
        0.7
        """
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.state is not TrialState.RUNNING:
            return
        if error is None:
            self.complete()
            return
        with suppress(HpsearchError):  # the error of the loop is the one to be seen
            if isinstance(error, Exception):
                what = f"{type(error).__name__}: {error}".rstrip(": ")
                self.complete(state=TrialState.FAILED, message=what[:MESSAGE_LENGTH])
            else:
                self.give_back()

    @property
    def _path(self) -> str:
        return f"/studies/{self.study_id}/trials/{self.number}"

    def load_model(self, which: Literal["best", "last"] = "best") -> TrainedPredictor:
        """Returns its model, a torch module that takes rows as the data set has them.

        Of a trial that is several runs (folds, repeats) it predicts the mean of theirs, for
        classes of their probabilities; `model.runs` are the single ones.

        Args:
            which: the checkpoint to load.

        Raises:
            MissingPackage: where torch is not installed.
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.

        >>> trial.load_model().predict(rows)  # [2, 13]
        ['class_0', 'class_2']
        """
        with importing_extra("worker", "models"):
            from hpsearch.inference.model import load_model

        def features_of(spec: StudySpec) -> Sequence[int]:
            version = None if spec.dataset in BUILT_IN else spec.dataset_version or 1
            path = f"/datasets/{spec.dataset}"
            return self._transport.get(path, DatasetInfo, version=version).features

        return load_model(self.download(which), features_of)

    def download(self, which: Literal["best", "last"] = "best") -> bytes:
        """Returns the content of a checkpoint's file (safetensors), checked by its sha256.

        Args:
            which: the checkpoint of the best epoch, or of the last one.

        Raises:
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.

        >>> Path("last.safetensors").write_bytes(trial.download("last")) > 1000
        True
        """
        stored = self.checkpoints().checkpoints
        checkpoint = next(
            (entry for entry in stored if (entry.best if which == "best" else entry.last)), None
        )
        if checkpoint is None:
            raise NotFound(
                f"a trial must have a {which} checkpoint to load it, and trial {self.number} has "
                "none yet; wait until it has trained some epochs"
            )
        content, _ = self._transport.download(f"/checkpoints/{checkpoint.id}/artifact")
        if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
            raise CorruptArtifact(
                f"checkpoint {checkpoint.id} must arrive as it was stored, and it did not; "
                "try again"
            )
        return content

    def _repr_html_(self) -> str:
        return notebook_html.trial_html(self.record)

    def __repr__(self) -> str:
        value = "no value" if self.value is None else f"value {self.value:.4g}"
        return f"Trial({self.number} of study {self.study_id}, {self.state}, {value})"


class Trials(list[Trial]):
    """Trials in the order in which they were asked for; a notebook shows them as a table."""

    @property
    def records(self) -> list[records.Trial]:
        """Their records."""
        return [trial.record for trial in self]

    def to_frame(self) -> pd.DataFrame:
        """Returns a row per trial: state, value, parameters and the last epoch's metrics.

        Raises:
            MissingPackage: where pandas is not installed.

        >>> study.trials().to_frame()["state"].tolist()
        ['complete', 'complete', 'complete', 'complete']
        """
        return trials_frame(self.records)

    def _repr_html_(self) -> str:
        return notebook_html.trials_html(self.records)


class Curves(records.Curves):
    """One metric of several trials by epoch."""

    def to_frame(self) -> pd.DataFrame:
        """Returns a row per trial and epoch (0-based), with the metric as the third column.

        Raises:
            MissingPackage: where pandas is not installed.

        >>> study.curves("val_loss").to_frame().columns.tolist()
        ['trial', 'epoch', 'val_loss']
        """
        return curves_frame(self)
