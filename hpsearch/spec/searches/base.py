"""What every search takes, and what the service asks of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field

from hpsearch.errors import FieldError
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.family import Kind

LARGEST_STUDY = 1_000_000
"""Trials that one study may have."""


Trials = Annotated[int, Field(ge=1, le=LARGEST_STUDY, strict=True)]


Share = Annotated[float, Field(gt=0, le=1, strict=True)]


class WarmStart(SpecModel):
    """An earlier study to learn from: its trials that fit this space count as tried.

    Coarse-to-fine begins in the box around the best of them.
    """

    example = {"study": 1}

    study: Annotated[int, Field(ge=1, strict=True)]
    """Its id."""


@dataclass(frozen=True)
class PlannedStage:
    """What a search plans of a stage."""

    trials: int
    epochs: int | None = None
    """Length of its trials; none leaves it to `training.epochs`."""


CountCombinations: TypeAlias = Callable[[int | Mapping[str, int] | None], int]
"""From the points of each range to the number of configurations in a study's space.

It raises `InvalidInput` where a continuous range has no points, or there are too many combinations.
"""


class SearchBase(Kind):
    """What every search takes, and what the service asks of one.

    The class variables say what a search can do; the methods say how it goes through its trials.
    As they stand here they suit a search of one stage without limits of its own.
    """

    supports_branches: ClassVar[bool] = True
    """Whether a parameter may exist only in one branch of a choice."""
    supports_choices: ClassVar[bool] = True
    """Whether a parameter may be a choice among several options."""
    supports_several_objectives: ClassVar[bool] = True
    max_dimensions: ClassVar[int | None] = None
    """The most parameters of a space; none for any number."""
    needs_range: ClassVar[bool] = False
    """Whether a space must have a range of more than one value."""
    needs_torch: ClassVar[bool] = False
    """Whether proposing takes PyTorch, which then must be installed where the server runs."""
    is_staged: ClassVar[bool] = False
    """Whether it goes through stages that decide how long their trials train. Then its sampler is a
    `StagedSampler`, which leads from each stage to the next."""

    enqueue: Annotated[tuple[dict[str, Value], ...], Field(max_length=10_000)] = ()
    """Configurations to try first, as values by parameter; they count among the trials (of a grid
    they come on top)."""

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:
        """The stages from first to last, without trials that people add on the way.

        Args:
            count_combinations: of the study's space; for searches that try every combination.

        Raises:
            InvalidInput: as `count_combinations`.
        """
        raise NotImplementedError(f"{self.kind} does not say how many trials it takes")

    def quorum_of(self, trials: int) -> int:
        """How many of a stage's trials must have ended before the next stage may start."""
        return max(1, trials)

    @property
    def continues(self) -> bool:
        """Whether trials may go on from where one of an earlier stage stood: field `continue`."""
        return False

    def repeats_in(self, stage: int) -> int | None:  # noqa: ARG002
        """How often trials of a stage train; none leaves it to `training.repeats`."""
        return None

    @property
    def range_limits(self) -> Mapping[str, tuple[float, float]]:
        """The ends that no extension of a range passes, by parameter: field `hard_bounds`."""
        return {}

    def field_errors(self) -> Iterator[FieldError]:
        """Which of its fields do not go together."""
        yield from ()

    @classmethod
    def with_length(cls, document: Mapping[str, Any], epochs: int) -> Mapping[str, Any]:  # noqa: ARG003
        """A search as a person wrote it, with the defaults that follow from `training.epochs`."""
        return document


class CountedSearch(SearchBase):
    """What searches of one stage take whose number of trials is given."""

    trials: Trials = 20

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:  # noqa: ARG002
        """One stage of `trials`."""
        return (PlannedStage(self.trials),)


class LearningSearch(SearchBase):
    """What searches that learn from ended trials take."""

    warm_start: WarmStart | None = None
