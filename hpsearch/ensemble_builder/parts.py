"""What an ensemble is put together from: its models, and the members behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensemble_builder.candidates import is_finite
from hpsearch.ensemble_builder.context import BuildContext
from hpsearch.ensemble_builder.selection import Selection, WeightedCheckpoint
from hpsearch.ensembling.combining import Combined, combine, member_values
from hpsearch.ensembling.label_factors import fit_label_factors
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.ensembling.selection import fit_weights
from hpsearch.errors import TrainingFailed
from hpsearch.spec.ensembles.base import Combine, EnsembleBase
from hpsearch.spec.metrics import metric_of
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.checkpoints.soups import slim


@dataclass(frozen=True)
class BuildParts:
    """Members, models and files of an ensemble."""

    members: Sequence[tuple[WeightedCheckpoint, Predictions]]
    """Checkpoints with what each predicts alone."""
    models: Sequence[Predictions]
    """What each model predicts: those of the members, or the one that they were averaged into."""
    weights: NDArray[np.float64]
    """Of the models, [M], with sum 1."""
    combine: Combine
    files: dict[str, bytes]
    """The models' checkpoints by the names of their files, in the order of the models."""
    label_factors: NDArray[np.float64] | None = None
    """What probabilities are multiplied by before the largest one names the class, [C]."""

    @property
    def is_classification(self) -> bool:
        """Whether targets are classes."""
        return self.models[0].validation.is_classification

    @property
    def target_scale(self) -> float:
        """What one unit of a standardised target is in the data's own unit."""
        return self.models[0].target_scale

    def combined(self, splits: Sequence[SplitPredictions]) -> Combined:
        """The models' predictions of one split as one.

        Args:
            splits: of each model, in their order.
        """
        members = np.stack([member_values(split) for split in splits])
        return combine(
            members, self.weights, self.combine, self.is_classification, self.label_factors
        )

    def with_label_factors(self, headline: str) -> BuildParts:
        """The same, which names rare classes as often as validation rows have them.

        Only a mean of several models needs that, and only where the headline looks at the named
        classes and rare ones count for more than their rows; else nothing changes.
        """
        metric = metric_of(headline)
        if metric is None or not metric.weighs_rare_classes or not self.is_classification:
            return self
        if len(self.models) == 1 or self.combine == "vote":
            return self
        values = self.combined([model.validation for model in self.models]).values
        factors = fit_label_factors(values, self.models[0].validation.targets)
        return replace(self, label_factors=factors)


def averaged_model(
    request: EnsembleBase, context: BuildContext, selection: Selection, averaged: bytes
) -> BuildParts | None:
    """One model; none where it turns out that its only member is unusable, which is dropped.

    Args:
        request: what is asked for.
        context: of the build.
        selection: the members.
        averaged: the checkpoint of their averaged weights.

    Raises:
        TrainingFailed: when the mean of several checkpoints gives outputs that are not finite.
    """
    first = selection.checkpoints[0]
    count = len(selection.checkpoints)
    predictions = context.candidates.predict(averaged, first.candidate)
    if not is_finite(predictions.validation):
        if count == 1:
            owner = "its" if first.copy == "raw" else f"its {first.copy} weights'"
            reason = f"{owner} validation outputs are not all finite"
            context.candidates.drop(first.candidate, reason)
            return None
        raise TrainingFailed(
            "averaged weights must say finite numbers of validation rows, and those of "
            f"{count} checkpoints do not; average fewer of them"
        )
    members = [(first, predictions)] if count == 1 else _members(context, selection)
    if members is None:
        return None
    files = {f"parts/{request.kind}.safetensors": slim(averaged)}
    return BuildParts(members, [predictions], np.ones(1), "mean", files)


def separate_models(
    request: EnsembleBase, context: BuildContext, selection: Selection
) -> BuildParts | None:
    """A model for each member; none where a member turns out to be unusable, and is dropped."""
    members = _members(context, selection)
    if members is None:
        return None
    if request.combine == "weighted":
        members = _with_fitted_weights(members)
    files = {}
    for index, (member, _) in enumerate(members):
        context.report_progress(index, len(members), "reading the members")
        content = context.candidates.checkpoint(member.candidate)
        if content is None:
            return None
        files[_file_name(member.candidate)] = slim(content)
    return BuildParts(
        members,
        models=[predictions for _, predictions in members],
        weights=np.array([member.weight for member, _ in members]),
        combine=request.combine,
        files=files,
    )


def _members(
    context: BuildContext, selection: Selection
) -> list[tuple[WeightedCheckpoint, Predictions]] | None:
    """Members with what each predicts alone; none where one of them is dropped."""
    members = []
    for member in selection.checkpoints:
        predictions = context.candidates.predictions(member.candidate)
        if predictions is None:
            return None
        members.append((member, predictions))
    return members


def _with_fitted_weights(
    members: Sequence[tuple[WeightedCheckpoint, Predictions]],
) -> list[tuple[WeightedCheckpoint, Predictions]]:
    """Members with the weights that are best on validation rows; those of weight 0 are left out."""
    splits = [predictions.validation for _, predictions in members]
    weights = fit_weights(np.stack([member_values(split) for split in splits]), splits[0].targets)
    return [
        (replace(member, weight=float(weight)), predictions)
        for (member, predictions), weight in zip(members, weights, strict=True)
        if weight > 0
    ]


def _file_name(candidate: Candidate) -> str:
    return f"parts/trial-{candidate.trial}-epoch-{candidate.epoch}.safetensors"
