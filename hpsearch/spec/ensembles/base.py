"""What every ensemble takes, and what the service asks of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hpsearch.errors import FieldError
from hpsearch.spec.checkpoints import Checkpoints
from hpsearch.spec.language.family import Kind
from hpsearch.spec.training import Training

MOST_MEMBERS = 200


Combine = Literal["mean", "weighted", "vote", "median"]
"""How the members' outputs are combined.

mean: of probabilities, or of numbers; a member chosen n times counts n times.
weighted: the weights ≥ 0 with sum 1 that are best on the validation rows.
vote: each member names a class; ties go to the class with the larger mean probability.
median: for numbers.
"""


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
    """What members are chosen by: a metric of the validation rows. None: the study's objective, or
    `val_loss` where predictions do not show the objective."""

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
