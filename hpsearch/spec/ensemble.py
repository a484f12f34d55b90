"""Ensembles: which checkpoints are combined, and how; chosen on validation rows alone.

A new kind is a class here, a line in `ENSEMBLES`, and the code that its `implementation` names: a
function `(request, context) -> Selection` in a file of `hpsearch.ensemble_builder.kinds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hpsearch.errors import FieldError
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.language.base import tag
from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.training import Training

MOST_MEMBERS = 200

RunningAverage = Literal["ema", "swa"]
"""Averages of its weights that a trial can gather while it trains, by their fields in `training`.
"""

Combine = Literal["mean", "weighted", "vote", "median"]
"""How the members' outputs are combined.

mean: of probabilities, or of numbers; a member chosen n times counts n times.
weighted: the weights ≥ 0 with sum 1 that are best on the validation rows.
vote: each member names a class; ties go to the class with the larger mean probability.
median: for numbers.
"""

SELECTION_METRICS = {
    "classes": ("val_loss", "val_accuracy"),
    "numbers": ("val_loss", "val_rmse", "val_mae"),
}
"""What an ensemble may be chosen by."""


class EnsembleBase(Kind):
    """What every ensemble takes."""

    makes_one_model: ClassVar[bool] = False
    """Whether its members' weights are averaged into one model; else its models answer beside each
    other, and `combine` says how."""
    ignored_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of its own that make no difference to it; forms do not offer them."""
    needs_trials: ClassVar[bool] = False
    """Whether the study trains its best configuration again until there are `size` such trials."""
    reads_all_predictions: ClassVar[bool] = False
    """Whether it is chosen among the predictions of all checkpoints, so that these must be stored;
    else only few of them are read, or made again from the weights."""

    size: Annotated[int, Field(ge=1, le=MOST_MEMBERS, strict=True)] = 10
    """Members at most; of an average or a soup the checkpoints that enter it."""
    combine: Combine = "mean"
    metric: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What members are chosen by. None: `val_loss` for what selects greedily, else the study's
    objective."""

    def errors(self, training: Training, *, has_several_models: bool) -> Iterator[FieldError]:
        """What a study lacks to have this ensemble, by the paths of the ensemble's own fields.

        Args:
            training: the study's.
            has_several_models: whether the study's trials choose among several models.
        """
        del training, has_several_models
        yield from ()

    def checkpoint_policy(
        self, policy: Checkpoints, *, may_have_minima: bool, epochs: int
    ) -> Checkpoints:
        """The policy, changed where this ensemble needs more checkpoints than it keeps.

        Args:
            policy: what the study keeps so far.
            may_have_minima: whether the schedule may reach several minima.
            epochs: the planned length of a trial of the last stage.
        """
        del may_have_minima, epochs
        return policy


class SingleTrialEnsemble(EnsembleBase):
    """What ensembles from the checkpoints of a single trial take."""

    trial: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None
    """The trial's number; none takes the best trial."""


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


class SoupEnsemble(EnsembleBase):
    """What ensembles take that average the weights of several trials."""

    makes_one_model = True
    ignored_fields = ("combine",)

    def errors(self, training: Training, *, has_several_models: bool) -> Iterator[FieldError]:
        """Errors where the weights of two trials cannot be averaged."""
        if training.init_seed != "shared":
            yield FieldError(
                "kind",
                f"{self.kind} averages weights of several trials, which must start from one "
                f"initialisation, got training.init_seed: {format_value(training.init_seed)}; set "
                "it to shared, or use top_k",
            )
        if has_several_models:
            yield FieldError(
                "kind", f"{self.kind} needs one model for all trials, got a choice; use top_k"
            )


class UniformSoup(SoupEnsemble):
    """One model: the mean of the weights of the `size` best trials (Wortsman et al. 2022).

    They must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.kinds.soups:uniform_soup"

    kind: Literal["soup_uniform"]


class GreedySoup(SoupEnsemble):
    """One model: from the best trial on, the mean of those weights that make it no worse.

    Wortsman et al. 2022; they must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.kinds.soups:greedy_soup"

    kind: Literal["soup_greedy"]


ENSEMBLES: Family[EnsembleBase] = Family(
    GreedyEnsemble,
    TopKEnsemble,
    ReinitEnsemble,
    SnapshotsEnsemble,
    AverageEnsemble,
    EmaEnsemble,
    SwaEnsemble,
    UniformSoup,
    GreedySoup,
    default="greedy",
)
"""Where a new kind of ensemble is entered."""

EnsembleSpec: TypeAlias = Annotated[EnsembleBase, ENSEMBLES]


def _how_many(value: Any) -> str:
    return tag("several") if isinstance(value, list | tuple) else tag("one")


def _none(value: Any) -> Any:
    return None if value == "none" else value


class WrittenNone:
    """Says in the published schema that `none` may be written for null."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What is read without it, or the word."""
        return {"anyOf": [handler(schema), {"const": "none"}]}


Ensembles: TypeAlias = Annotated[
    Annotated[
        Annotated[EnsembleSpec, Tag(tag("one"))]
        | Annotated[tuple[EnsembleSpec, ...], Field(max_length=20), Tag(tag("several"))],
        Discriminator(_how_many),
    ]
    | None,
    BeforeValidator(_none),
    WrittenNone(),
]
"""None, one, or several."""
