"""How configurations are proposed. What a space must have for a search: `search_fit`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field

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

    study: Annotated[int, Field(ge=1, strict=True)]
    """Its id."""


class SearchKind(Kind):
    """What every search takes."""

    enqueue: Annotated[tuple[dict[str, Value], ...], Field(max_length=10_000)] = ()
    """Configurations to try first, as values by parameter; they count among the trials (of a grid
    they come on top)."""


class CountedSearch(SearchKind):
    """What searches of one stage take whose number of trials is given."""

    trials: Trials = 20


class RandomSearch(CountedSearch):
    """Independent draws, each from (study seed, trial number); Bergstra & Bengio 2012."""

    implementation = "hpsearch.search.samplers.random:RandomSampler"

    kind: Literal["random"]


class GridSearch(SearchKind):
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


class SobolSearch(CountedSearch):
    """Scrambled Sobol points (Owen 1998): as good as random on any axis, more even on all."""

    implementation = "hpsearch.search.samplers.sobol:SobolSampler"

    kind: Literal["sobol"]


class Stage(SpecModel):
    """One pass over a box of the space."""

    trials: Trials
    epochs: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]
    """Length of each trial; overrides `training.epochs`."""
    keep: Share = 0.25
    """The share of its trials whose box the next stage searches."""


def default_stages(epochs: int) -> tuple[Stage, ...]:
    """Three stages for trials that are to train so long in the end: 24, 12 and 6 of them."""
    lengths = (max(1, round(epochs / 10)), max(1, round(epochs / 3)), epochs)
    return tuple(
        Stage(trials=trials, epochs=length)
        for trials, length in zip((24, 12, 6), lengths, strict=True)
    )


class LearningSearch(SearchKind):
    """What searches that learn from ended trials take."""

    warm_start: WarmStart | None = None


class CoarseToFineSearch(LearningSearch):
    """Short trials over the whole space, then longer ones in ever smaller boxes of it.

    The best `keep` of a stage's trials span a box on the transformed axes; widened by `margin` it
    is where the next stage draws. Where the best lies at a range's end the box reaches past it.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    implementation = "hpsearch.search.samplers.coarse_to_fine:CoarseToFineSampler"

    kind: Literal["coarse_to_fine"]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=20)] = default_stages(10)
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

    kind: Literal["gp"]
    trials: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 20
    startup_trials: Annotated[int, Field(ge=1, strict=True)] = 10
    """Random ones before the first fit."""


class CmaesSearch(AdaptiveSearch):
    """Covariance matrix adaptation (Hansen 2016); ranges only, and none inside branches.

    A pruned trial counts as worse than all others of its generation.
    """

    implementation = "hpsearch.search.samplers.cmaes:CmaesSampler"

    kind: Literal["cmaes"]
    startup_trials: Annotated[int, Field(ge=1, strict=True)] = 1
    """Random ones before the first generation."""
    population: Annotated[int, Field(ge=2, le=10_000, strict=True)] | None = None
    """Trials of a generation. None: 4 + ⌊3·ln n⌋ for n ranges."""


class Nsga2Search(AdaptiveSearch):
    """Non-dominated sorting genetic algorithm (Deb et al. 2002), by Optuna; no branches."""

    implementation = "hpsearch.search.samplers.nsga2:Nsga2Sampler"

    kind: Literal["nsga2"]
    population: Annotated[int, Field(ge=2, le=10_000, strict=True)] | None = None
    """Trials of a generation, the first of them random. None: 50, or a fifth of a study's trials
    where that is less, but at least 4."""

    @property
    def generation(self) -> int:
        """Trials of a generation."""
        return self.population or min(50, max(4, self.trials // 5))


SEARCHES: Family[SearchKind] = Family(
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
"""Where a new search is entered."""

Search: TypeAlias = Annotated[SearchKind, SEARCHES]
