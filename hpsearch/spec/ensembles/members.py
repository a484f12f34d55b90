"""Ensembles of several models, whose outputs are combined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hpsearch.errors import FieldError
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.ensembles.base import EnsembleBase, SingleTrialEnsemble
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.training import Training


class GreedyEnsemble(EnsembleBase):
    """Adds, with replacement, the checkpoint that helps most, over and over (Caruana et al. 2004).

    Bagging holds it from overfitting the validation rows: each bag selects among half of the
    candidates, and the counts of all bags are added.
    """

    implementation = "hpsearch.ensemble_builder.kinds.greedy:greedy"
    reads_all_predictions = True

    kind: Literal["greedy"]
    bags: Annotated[int, Field(ge=0, le=1000, strict=True)] = 20
    """How many; 0 selects once, among all."""


class TopKEnsemble(EnsembleBase):
    """The best epochs of the `size` best trials."""

    implementation = "hpsearch.ensemble_builder.kinds.best_trials:best_trials"

    kind: Literal["top_k"]


class ReinitEnsemble(EnsembleBase):
    """The best configuration from `size` initialisations; the study trains the missing ones."""

    implementation = "hpsearch.ensemble_builder.kinds.best_trials:best_trials"
    needs_trials = True

    kind: Literal["reinit"]

    def errors(self, training: Training, *, has_several_models: bool) -> Iterator[FieldError]:
        """An error where all trials start from the same initial weights."""
        del has_several_models
        if training.init_seed != "per_trial":
            yield FieldError(
                "kind",
                "reinit needs an initialisation of each trial's own, got training.init_seed: "
                f"{format_value(training.init_seed)}; set it to per_trial, or use top_k",
            )


class SnapshotsEnsemble(SingleTrialEnsemble):
    """Epochs of one trial: at its schedule's minima where it has several, else evenly spaced.

    Huang et al. 2017.
    """

    implementation = "hpsearch.ensemble_builder.kinds.snapshots:snapshots"

    kind: Literal["snapshots"]

    def checkpoint_policy(
        self, policy: Checkpoints, *, may_have_minima: bool, epochs: int
    ) -> Checkpoints:
        """Keeps the schedule's minima where it may have several, else epochs evenly spaced."""
        if policy.every is not None or policy.snapshots:
            return policy
        if may_have_minima:
            return policy.model_copy(update={"snapshots": True})
        return policy.model_copy(update={"every": max(1, epochs // self.size)})
