"""How configurations are proposed.

Each search (`hpsearch/spec/searches`) says what it can do with a space and how it goes through its
trials; studies are held to it by `checks.search`. What proposes the configurations is its
`implementation`, a `hpsearch.search.samplers.base.Sampler`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from hpsearch.spec.language.family import Family
from hpsearch.spec.searches.adaptive import CmaesSearch, GpSearch, Nsga2Search, TpeSearch
from hpsearch.spec.searches.base import SearchBase
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.searches.independent import GridSearch, RandomSearch, SobolSearch

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
"""The table of searches: a new one is a class in hpsearch/spec/searches and a line here."""

Search: TypeAlias = Annotated[SearchBase, SEARCHES]
