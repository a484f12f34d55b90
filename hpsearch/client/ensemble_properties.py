"""What can be read of an ensemble on the server, as it was when it was last read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hpsearch.client.handle import Handle
from hpsearch.spec.language.states import EnsembleState
from hpsearch.spec.wire import ensembles as records
from hpsearch.spec.wire.ensemble_comparison import SingleComparison, compare
from hpsearch.spec.wire.ensemble_scores import EnsembleScores, Range, Scores


class EnsembleProperties(Handle[records.Ensemble]):
    """The fields of an ensemble's record, and how it compares with the best single trial."""

    @property
    def id(self) -> int:
        """Its key among the ensembles of all studies."""
        return self.record.id

    @property
    def study_id(self) -> int:
        """The study whose checkpoints it combines."""
        return self.record.study_id

    @property
    def kind(self) -> str:
        """How its members are chosen."""
        return self.record.kind

    @property
    def size(self) -> int:
        """Members at most."""
        return self.record.size

    @property
    def combine(self) -> str:
        """How the members' predictions become one: mean, weighted, vote or median."""
        return self.record.combine

    @property
    def metric(self) -> str | None:
        """What members are chosen by; None stands for its kind's usual one."""
        return self.record.metric

    @property
    def request(self) -> dict[str, Any]:
        """All that was asked for."""
        return self.record.request

    @property
    def automatic(self) -> bool:
        """Whether the study's spec asked for it."""
        return self.record.automatic

    @property
    def state(self) -> EnsembleState:
        """Queued, running, complete or failed."""
        return self.record.state

    @property
    def progress(self) -> records.BuildProgress | None:
        """How far its building is."""
        return self.record.progress

    @property
    def message(self) -> str | None:
        """What went wrong, in a sentence."""
        return self.record.message

    @property
    def members(self) -> list[records.Member]:
        """Its checkpoints with their weights, which add up to 1; empty until it is complete."""
        return self.record.members

    @property
    def validation(self) -> dict[str, float]:
        """Its scores by metric on the validation rows, by which its members were chosen."""
        return self.record.validation

    @property
    def test(self) -> dict[str, float]:
        """Its scores by metric on the test rows, which decided nothing."""
        return self.record.test

    @property
    def scores(self) -> EnsembleScores:
        """Its scores on both parts, with `headline`: the metric that people look at first."""
        return self.record.scores

    @property
    def headline(self) -> str | None:
        """The metric to show first: the study's objective by its bare name, `auc` of `val_auc`."""
        return self.record.headline

    @property
    def chosen_by(self) -> str | None:
        """The metric on validation rows that chose its members, such as `val_auc`."""
        return self.record.chosen_by

    @property
    def best_single(self) -> records.Single | None:
        """The best trial's checkpoint and its scores, to compare with."""
        return self.record.best_single

    @property
    def mean_member(self) -> Scores | None:
        """The mean of the members' scores, each member counted once."""
        return self.record.mean_member

    @property
    def intervals(self) -> dict[str, Range]:
        """95 % bootstrap intervals of test scores, and of the gains on the best single trial."""
        return self.record.intervals

    @property
    def disagreement(self) -> float | None:
        """How far members differ: a share of test rows, or for numbers a standard deviation."""
        return self.record.disagreement

    @property
    def calibration(self) -> records.Calibration | None:
        """How far its probabilities are to be believed, measured on test rows."""
        return self.record.calibration

    @property
    def candidates(self) -> int:
        """How many checkpoints there were to choose from."""
        return self.record.candidates

    @property
    def warnings(self) -> list[str]:
        """What was left out, and why, in sentences."""
        return self.record.warnings

    @property
    def size_bytes(self) -> int | None:
        """The size of its file."""
        return self.record.size_bytes

    @property
    def sha256(self) -> str | None:
        """The hash of its file."""
        return self.record.sha256

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return self.record.created_at

    @property
    def started_at(self) -> datetime | None:
        """When its building began."""
        return self.record.started_at

    @property
    def finished_at(self) -> datetime | None:
        """When its building ended."""
        return self.record.finished_at

    @property
    def comparison(self) -> SingleComparison | None:
        """How it compares with the best single trial by the study's objective.

        >>> ensemble.comparison.metric in ensemble.test
        True
        """
        return compare(self.record)
