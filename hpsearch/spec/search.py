"""How configurations are proposed.

Each search says here what it can do with a space and how it goes through its trials; studies are
held to it by `checks.search`. What proposes the configurations is its `implementation`, a
`hpsearch.search.samplers.base.Sampler`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field

from hpsearch.errors import FieldError
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.language.distributions import FiniteReal, Value
from hpsearch.spec.language.family import Family, Kind

LARGEST_STUDY = 1_000_000
"""Trials that one study may have."""

SOBOL_DIMENSIONS = 21_201
"""Parameters for which direction numbers are known (Joe & Kuo 2008)."""

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


class RandomSearch(CountedSearch):
    """Independent draws, each from (study seed, trial number); Bergstra & Bengio 2012."""

    implementation = "hpsearch.search.samplers.random:RandomSampler"

    kind: Literal["random"]


class GridSearch(SearchBase):
    """Every combination of equally spaced points, in an order shuffled by the study's seed.

    Discrete parameters without points take all their values.
    """

    implementation = "hpsearch.search.samplers.grid:GridSampler"

    kind: Literal["grid"]
    points: (
        Annotated[int, Field(ge=1, le=10_000, strict=True)]
        | dict[str, Annotated[int, Field(ge=1, le=10_000, strict=True)]]
        | None
    ) = None
    """Points of each range, or of some by name."""

    def plan_stages(self, count_combinations: CountCombinations) -> tuple[PlannedStage, ...]:
        """One stage: the enqueued configurations, then every combination."""
        return (PlannedStage(count_combinations(self.points) + len(self.enqueue)),)


class SobolSearch(CountedSearch):
    """Scrambled Sobol points (Owen 1998): as good as random on any axis, more even on all."""

    implementation = "hpsearch.search.samplers.sobol:SobolSampler"
    max_dimensions = SOBOL_DIMENSIONS

    kind: Literal["sobol"]


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


class LearningSearch(SearchBase):
    """What searches that learn from ended trials take."""

    warm_start: WarmStart | None = None


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


class AdaptiveSearch(LearningSearch, CountedSearch):
    """What searches that learn from every ended trial take."""


class TpeSearch(AdaptiveSearch):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna.

    Trials that run count as bad ones (constant liar), so simultaneous proposals keep apart.
    """

    implementation = "hpsearch.search.samplers.tpe:TpeSampler"

    kind: Literal["tpe"]
    startup_trials: Annotated[int, Field(ge=1, strict=True)] = 10
    """Random ones before the first estimate."""
    candidates: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 24
    """Draws from the good trials' density, of which the best one is proposed."""
    multivariate: bool | None = None
    """Whether parameters outside branches are estimated jointly; those inside never are. None: for
    one objective they are, for several not."""


class GpSearch(AdaptiveSearch):
    """Gaussian process with expected improvement, by Optuna; no parameters inside branches.

    A pruned trial counts with its last value, or with the worst of all where it has none. The fit
    takes time cubic in the number of trials.
    """

    implementation = "hpsearch.search.samplers.gp:GpSampler"
    supports_branches = False
    needs_torch = True

    kind: Literal["gp"]
    trials: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 20
    startup_trials: Annotated[int, Field(ge=1, strict=True)] = 10
    """Random ones before the first fit."""


class CmaesSearch(AdaptiveSearch):
    """Covariance matrix adaptation (Hansen 2016); ranges only, and none inside branches.

    A pruned trial counts as worse than all others of its generation.
    """

    implementation = "hpsearch.search.samplers.cmaes:CmaesSampler"
    supports_branches = False
    supports_choices = False
    supports_several_objectives = False
    needs_range = True

    kind: Literal["cmaes"]
    startup_trials: Annotated[int, Field(ge=1, strict=True)] = 1
    """Random ones before the first generation."""
    population: Annotated[int, Field(ge=2, le=10_000, strict=True)] | None = None
    """Trials of a generation. None: 4 + ⌊3·ln n⌋ for n ranges."""


class Nsga2Search(AdaptiveSearch):
    """Non-dominated sorting genetic algorithm (Deb et al. 2002), by Optuna; no branches."""

    implementation = "hpsearch.search.samplers.nsga2:Nsga2Sampler"
    supports_branches = False

    kind: Literal["nsga2"]
    population: Annotated[int, Field(ge=2, le=10_000, strict=True)] | None = None
    """Trials of a generation, the first of them random. None: 50, or a fifth of a study's trials
    where that is less, but at least 4."""

    @property
    def generation(self) -> int:
        """Trials of a generation."""
        return self.population or min(50, max(4, self.trials // 5))

    def field_errors(self) -> Iterator[FieldError]:
        """A first generation that leaves no trial for a second."""
        if (self.population or 0) >= self.trials:
            yield FieldError(
                "search.population",
                f"must be < trials ({self.trials}), as the first generation is random, got "
                f"{self.population}; lower it or raise trials",
            )


SEARCHES: Family[SearchBase] = Family(
    RandomSearch,
    GridSearch,
    SobolSearch,
    CoarseToFineSearch,
    TpeSearch,
    GpSearch,
    CmaesSearch,
    Nsga2Search,
    default="random",
)
"""The table of searches: a new one is a class above and a line here."""

Search: TypeAlias = Annotated[SearchBase, SEARCHES]
