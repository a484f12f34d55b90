"""One model from the weights of one trial."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from hpsearch.errors import FieldError
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.ensembles.base import SingleTrialEnsemble
from hpsearch.spec.training import Training

RunningAverage = Literal["ema", "swa"]
"""Averages of its weights that a trial can gather while it trains, by their fields in `training`.
"""


class AverageEnsemble(SingleTrialEnsemble):
    """One model: the mean of a trial's weights after its last `size` epochs."""

    implementation = "hpsearch.ensemble_builder.kinds.late_weights:late_weights"
    makes_one_model = True
    ignored_fields = ("combine",)

    kind: Literal["average"]

    def checkpoint_policy(
        self, policy: Checkpoints, *, may_have_minima: bool, epochs: int
    ) -> Checkpoints:
        """Keeps the last `size` epochs."""
        del may_have_minima, epochs
        if policy.recent is not None or policy.every is not None:
            return policy
        return policy.model_copy(update={"recent": self.size})


class RunningAverageEnsemble(SingleTrialEnsemble):
    """What ensembles take that are an average which a trial gathered while it trained."""

    implementation = "hpsearch.ensemble_builder.kinds.running_average:running_average"
    makes_one_model = True
    ignored_fields = ("size", "combine")

    average: ClassVar[RunningAverage]
    """Which of the trial's averages it is."""

    def errors(self, training: Training, *, has_several_models: bool) -> Iterator[FieldError]:
        """An error where trials do not gather the average."""
        del has_several_models
        if getattr(training, self.average) is None:
            yield FieldError(
                "kind", f"{self.kind} needs training.{self.average}; add it, or use average"
            )


class EmaEnsemble(RunningAverageEnsemble):
    """One model: the exponential moving average that the trial kept (`training.ema`)."""

    average = "ema"

    kind: Literal["ema"]


class SwaEnsemble(RunningAverageEnsemble):
    """One model: the mean over epochs that the trial kept (`training.swa`).

    Izmailov et al. 2018.
    """

    average = "swa"

    kind: Literal["swa"]
