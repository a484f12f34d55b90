"""Short trials over wide ranges, then longer ones in ever smaller boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from hpsearch.errors import FieldError
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import FiniteReal
from hpsearch.spec.searches.base import (
    CountCombinations,
    LearningSearch,
    PlannedStage,
    Share,
    Trials,
)


class StageSettings(SpecModel):
    """One pass over a box of the space."""

    example = {"trials": 4, "epochs": 2}

    trials: Trials
    epochs: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
    """Length of each trial; overrides `training.epochs`."""
    keep: Share = 0.25
    """The share of its trials whose box the next stage searches."""


def default_stages(epochs: int) -> tuple[StageSettings, ...]:
    """Three stages for trials that are to train so long in the end: 24, 12 and 6 of them."""
    lengths = (max(1, round(epochs / 10)), max(1, round(epochs / 3)), epochs)
    return tuple(
        StageSettings(trials=trials, epochs=length)
        for trials, length in zip((24, 12, 6), lengths, strict=True)
    )


class CoarseToFineSearch(LearningSearch):
    """Short trials over the whole space, then longer ones in ever smaller boxes of it.

    The best `keep` of a stage's trials span a box on the transformed axes; widened by `margin` it
    is where the next stage draws. Where the best lies at a range's end the box reaches past it.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    implementation = "hpsearch.search.samplers.coarse_to_fine:BoxSampler"
    is_staged = True
    supports_several_objectives = False

    kind: Literal["coarse_to_fine"]
    stages: Annotated[tuple[StageSettings, ...], Field(min_length=1, max_length=20)] = (
        default_stages(10)
    )
    """Left out, they are 24, 12 and 6 trials of a tenth, a third and all of `training.epochs`."""
    margin: Annotated[float, Field(ge=0, le=10, strict=True)] = 0.5
    """In units of the box's half width on its axis (log10 for log ranges), on either side."""
    expand: bool = True
    """Whether a box may reach past the range that was submitted."""
    hard_bounds: dict[str, tuple[FiniteReal, FiniteReal]] = {}
    """Ends that no extension passes, by parameter."""
    promote: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.25
    """The share of a stage's trials that train the best configurations of the stage before again,
    at the new length; the others are drawn in the box."""
    continue_: Annotated[bool, Field(alias="continue")] = False
    """Whether those go on from where they stood instead of starting anew."""
    quorum: Share = 1.0
    """The share of a stage's trials that must have ended before the next one starts. Below 1 no
    worker waits for the slowest trials, but what is proposed then depends on who was faster."""

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:  # noqa: ARG002
        """The stages as they are written."""
        return tuple(PlannedStage(stage.trials, stage.epochs) for stage in self.stages)

    def quorum_of(self, trials: int) -> int:
        """The share `quorum` of them, at least one."""
        return max(1, round(self.quorum * trials))

    @property
    def continues(self) -> bool:
        """Whether promoted trials do, by `continue`."""
        return self.continue_

    def repeats_in(self, stage: int) -> int | None:
        """Once before the last stage: only finalists are worth several runs."""
        return 1 if stage + 1 < len(self.stages) else None

    @property
    def range_limits(self) -> Mapping[str, tuple[float, float]]:
        """Those of `hard_bounds`, which a person wrote."""
        return self.hard_bounds

    def field_errors(self) -> Iterator[FieldError]:
        """`continue` without promoted trials, and bounds of an extension that is switched off."""
        if self.continue_ and self.promote == 0:
            yield FieldError(
                "search.continue",
                "needs a promote > 0, as only promoted trials can go on, got promote 0; "
                "raise promote or leave continue out",
            )
        if self.hard_bounds and not self.expand:
            yield FieldError(
                "search.hard_bounds",
                "needs expand: true, as no range is extended without, got expand false; "
                "leave hard_bounds out",
            )

    @classmethod
    def with_length(cls, document: Mapping[str, Any], epochs: int) -> Mapping[str, Any]:
        """Without stages of its own it ends at `training.epochs`."""
        if "stages" in document:
            return document
        return {**document, "stages": [stage.model_dump() for stage in default_stages(epochs)]}
