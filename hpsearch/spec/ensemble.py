"""Ensembles: which checkpoints are combined, and how; chosen on validation rows alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from hpsearch.spec.language.base import tag
from hpsearch.spec.language.family import Family, Kind

MOST_MEMBERS = 200

Combine = Literal["mean", "weighted", "vote", "median"]
"""How the members' outputs become one.

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

    size: Annotated[int, Field(ge=1, le=MOST_MEMBERS, strict=True)] = 10
    """Members at most; of an average or a soup the checkpoints that enter it."""
    combine: Combine = "mean"
    metric: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What members are chosen by. None: `val_loss` for what selects greedily, else the study's
    objective."""


class OfOneTrial(EnsembleBase):
    """What ensembles from the checkpoints of a single trial take."""

    trial: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None
    """Its number; none takes the best one."""


class GreedyEnsemble(EnsembleBase):
    """Adds, with replacement, the checkpoint that helps most, over and over (Caruana et al. 2004).

    Bagging holds it from overfitting the validation rows: each bag selects among half of the
    candidates, and the counts of all bags are added.
    """

    implementation = "hpsearch.ensemble_builder.kinds:greedy"

    kind: Literal["greedy"]
    bags: Annotated[int, Field(ge=0, le=1000, strict=True)] = 20
    """How many; 0 selects once, among all."""


class TopKEnsemble(EnsembleBase):
    """The best epochs of the `size` best trials."""

    implementation = "hpsearch.ensemble_builder.kinds:best_trials"

    kind: Literal["top_k"]


class ReinitEnsemble(EnsembleBase):
    """The best configuration from `size` initialisations; the study trains the missing ones."""

    implementation = "hpsearch.ensemble_builder.kinds:best_trials"

    kind: Literal["reinit"]


class SnapshotsEnsemble(OfOneTrial):
    """Epochs of one trial: at its schedule's minima where it has several, else evenly spaced.

    Huang et al. 2017.
    """

    implementation = "hpsearch.ensemble_builder.kinds:snapshots"

    kind: Literal["snapshots"]


class AverageEnsemble(OfOneTrial):
    """One model: the mean of a trial's weights after its last `size` epochs."""

    implementation = "hpsearch.ensemble_builder.weight_averages:late_weights"

    kind: Literal["average"]


class EmaEnsemble(OfOneTrial):
    """One model: the exponential moving average that the trial kept (`training.ema`)."""

    implementation = "hpsearch.ensemble_builder.weight_averages:kept_copy"

    kind: Literal["ema"]


class SwaEnsemble(OfOneTrial):
    """One model: the mean over epochs that the trial kept (`training.swa`).

    Izmailov et al. 2018.
    """

    implementation = "hpsearch.ensemble_builder.weight_averages:kept_copy"

    kind: Literal["swa"]


class UniformSoup(EnsembleBase):
    """One model: the mean of the weights of the `size` best trials (Wortsman et al. 2022).

    They must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.weight_averages:uniform_soup"

    kind: Literal["soup_uniform"]


class GreedySoup(EnsembleBase):
    """One model: from the best trial on, the mean of those weights that make it no worse.

    Wortsman et al. 2022; they must share an initialisation (`training.init_seed: shared`).
    """

    implementation = "hpsearch.ensemble_builder.weight_averages:greedy_soup"

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

AVERAGES = (AverageEnsemble, EmaEnsemble, SwaEnsemble, UniformSoup, GreedySoup)
"""Those that make one model out of weights."""
SOUPS = (UniformSoup, GreedySoup)


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
