"""Searches that learn from every trial that has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hpsearch.errors import FieldError
from hpsearch.spec.searches.base import CountedSearch, LearningSearch


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
