"""What is learned: data, split, model and loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hpsearch.spec.external import ExternalTask
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.searchable import OneOf
from hpsearch.spec.losses import LOSSES
from hpsearch.spec.model import Mlp, Model
from hpsearch.spec.plugin import PluginTask

LARGEST_VERSION = 2**31 - 1
"""What databases hold in a column of integers."""

ColumnName: TypeAlias = Annotated[str, Field(min_length=1, max_length=500)]


MOST_RARE_ROWS = 2
"""Of a class with more, every part may have its share, as long as one row trains."""


class Split(SpecModel):
    """Which rows train, which validate, which test; fixed by the study's seed.

    Shares of the rows, stratified for classes; or by a column of the data. A class of one or two
    rows, too few for every part, trains with all of them. With `training.folds` the test rows stay
    the same, and the others validate in turn, whatever their share is here.
    """

    example = {"validation": 0.3}

    validation: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.2
    column: ColumnName | None = None
    """A column of the values train, validation and test. Where none says validation, the share
    `validation` of the training rows does."""
    group: ColumnName | None = None
    """A column whose equal values stay together: shares of the rows, in whole groups."""
    time: ColumnName | None = None
    """A column of times or numbers: the earliest rows train, then validation, the last test."""

    @property
    def by_column(self) -> tuple[str, str] | None:
        """The rule (column, group or time) and the column that divide the rows; None for shares.

        That column is no feature.
        """
        for rule in ("column", "group", "time"):
            name = getattr(self, rule)
            if name is not None:
                return rule, name
        return None

    def is_rare(self, rows: int, folds: int = 0) -> bool:
        """Whether a class has one or two rows, and too few for every part, so that all train.

        A stratified part takes at most its share of a class, rounded up, and must leave a row to
        train on; under folds two, as the fold that holds one of them trains without it.
        """
        if rows > MOST_RARE_ROWS:
            return False
        test = math.ceil(rows * self.test - 1e-9)
        if folds:
            return rows - test < 2
        return rows - test - math.ceil(rows * self.validation - 1e-9) < 1

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise PydanticCustomError(
                "split",
                "validation + test must be < 1, got {total}; leave rows to train on",
                {"total": round(self.validation + self.test, 6)},
            )
        return self

    @model_validator(mode="after")
    def _one_column(self) -> Self:
        given = [kind for kind in ("column", "group", "time") if getattr(self, kind) is not None]
        if len(given) > 1:
            raise PydanticCustomError(
                "split_columns",
                "takes one of column, group and time, got {given}; give one",
                {"given": " and ".join(given)},
            )
        return self


if TYPE_CHECKING:
    LossName: TypeAlias = str
else:
    LossName = Literal[tuple(LOSSES)]


def _text_keys(value: Any) -> Any:
    """YAML reads the names of numbered classes as numbers."""
    return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else value


def _class_name(value: Any) -> Any:
    """YAML reads the names of numbered classes as numbers, and true and false as such."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class SupervisedTask(Kind):
    """Learn a target from features."""

    example = {"dataset": "digits"}

    kind: Literal["supervised"]
    dataset: Annotated[str, Field(min_length=1, max_length=200)]
    dataset_version: Annotated[int, Field(ge=1, le=LARGEST_VERSION, strict=True)] | None = None
    """Of an uploaded data set, filled in at submission: None takes the newest, and the study stays
    with it when the data set is replaced. None for built-in data, which have no versions."""
    split: Split = Split()
    standardize: Literal["zscore", "minmax", "none"] | None = None
    """None: zscore for tables, minmax for images; fitted on the training split."""
    model: OneOf[Model] = Mlp(kind="mlp")
    loss: OneOf[LossName] | None = None
    """None: cross_entropy for classes, mse for numbers."""
    class_weights: OneOf[
        Literal["none", "balanced"]
        | Annotated[
            dict[str, Annotated[float, Field(ge=0, strict=True)]], BeforeValidator(_text_keys)
        ]
    ] = "none"
    """Factors of the training loss by class: balanced gives each class the same total, a map
    gives factors by class name, 1 for those it leaves out."""
    positive: Annotated[str, Field(min_length=1), BeforeValidator(_class_name)] | None = None
    """Of two classes the one that `f1` and `average_precision` look for. None: the rarer one, of
    equally many rows the later one; a study of before version 0.2 that has none means neither, and
    its `f1` is `f1_macro`."""


TASKS = Family(SupervisedTask, PluginTask, ExternalTask, default="supervised")

Task: TypeAlias = Annotated[SupervisedTask | PluginTask | ExternalTask, TASKS]
