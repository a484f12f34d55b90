"""A trial on the server, and trials and curves as notebooks show them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from pydantic import PrivateAttr

from hpsearch.client import notebook_html
from hpsearch.client.dataframes import curves_frame, trials_frame
from hpsearch.client.transport import Transport
from hpsearch.errors import CorruptArtifact, NotFound
from hpsearch.optional import require_extra
from hpsearch.spec.checks.dataset import DatasetInfo
from hpsearch.spec.language.states import Decision, TrialState
from hpsearch.spec.wire import jobs, records
from hpsearch.spec.wire.records import CheckpointList

if TYPE_CHECKING:
    import pandas as pd

    from hpsearch.inference.model import Predictor


class Trial(records.Trial):
    """A trial on the server, as it was when read."""

    _transport: Transport = PrivateAttr()

    @classmethod
    def of(cls, record: records.Trial, transport: Transport) -> Trial:
        """A record with the way back to where it came from."""
        trial = cls.model_construct(**dict(record))
        trial._transport = transport
        return trial

    def checkpoints(self) -> CheckpointList:
        """Its stored states."""
        return self._transport.get(
            f"/studies/{self.study_id}/trials/{self.number}/checkpoints", CheckpointList
        )

    def curve(self, metric: str) -> records.Curve:
        """One of its metrics by epoch.

        Raises:
            NotFound: when it never reported the metric.
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
        """Tells an epoch of a trial that was asked for; says whether to go on.

        Raises:
            Conflict: when the trial is over, or was given to another.
        """
        report = jobs.TrialReport(attempt=self.attempt, epoch=epoch, metrics=metrics)
        told = self._transport.post(
            f"{self._path}:report", jobs.TrialDecision, report, repeatable=True
        )
        return told.decision is Decision.CONTINUE

    def complete(
        self,
        value: float | None = None,
        *,
        state: TrialState | str = TrialState.COMPLETE,
        message: str | None = None,
    ) -> Trial:
        """Ends a trial that was asked for.

        Args:
            value: what it came to; none takes the best epoch reported.
            state: complete, pruned or failed.
            message: what went wrong, if anything did.

        Raises:
            Conflict: when the trial is over, or was given to another.
        """
        end = jobs.TrialCompletion(
            attempt=self.attempt, value=value, state=TrialState(state), message=message
        )
        record = self._transport.post(f"{self._path}:complete", records.Trial, end)
        return Trial.of(record, self._transport)

    @property
    def _path(self) -> str:
        return f"/studies/{self.study_id}/trials/{self.number}"

    def load_model(self, which: Literal["best", "last"] = "best") -> Predictor:
        """Its model as a torch module that takes rows as the data set has them.

        Of a trial that is several runs (folds, repeats) it predicts the mean of theirs, for
        classes of their probabilities; `model.runs` are the single ones.

        Args:
            which: the checkpoint to load.

        Raises:
            MissingPackage: where torch is not installed.
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.
        """
        trained = require_extra("hpsearch.inference.model", "worker", "models")
        bundle = require_extra("hpsearch.training.checkpoints.multi_run", "worker", "models")
        runs = bundle.members(self.download(which))
        features = trained.columns_of(runs[0])
        if not features:
            name = runs[0].spec.dataset
            features = self._transport.get(f"/datasets/{name}", DatasetInfo).features
        model: Predictor = trained.model_of(runs, tuple(features))
        return model

    def download(self, which: Literal["best", "last"] = "best") -> bytes:
        """A checkpoint's file (safetensors).

        Raises:
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.
        """
        kept = self.checkpoints().checkpoints
        found = next((one for one in kept if (one.best if which == "best" else one.last)), None)
        if found is None:
            raise NotFound(
                f"a trial must have a {which} checkpoint to load it, and trial {self.number} has "
                "none yet; wait until it has trained some epochs"
            )
        blob, _ = self._transport.download(f"/checkpoints/{found.id}/artifact")
        if hashlib.sha256(blob).hexdigest() != found.sha256:
            raise CorruptArtifact(
                f"checkpoint {found.id} must arrive as it was stored, and it did not; try again"
            )
        return blob

    def _repr_html_(self) -> str:
        return notebook_html.trial_card(self)

    def __repr__(self) -> str:
        value = "no value" if self.value is None else f"value {self.value:.4g}"
        return f"Trial({self.number} of study {self.study_id}, {self.state}, {value})"

    __str__ = __repr__


class Trials(list[Trial]):
    """Trials, which a notebook shows as a table."""

    def to_frame(self) -> pd.DataFrame:
        """A row per trial: state, value, parameters, the last epoch's metrics."""
        return trials_frame(self)

    def _repr_html_(self) -> str:
        return notebook_html.trials_card(self)


class Curves(records.Curves):
    """Curves of several trials."""

    def to_frame(self) -> pd.DataFrame:
        """A row per trial and epoch."""
        return curves_frame(self)
