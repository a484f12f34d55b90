"""Samplers, one a file; `spec.search` names the class of each kind."""

from __future__ import annotations

from hpsearch.search.samplers.base import S, Sampler, SearchProblem
from hpsearch.spec.language.family import implementation


def sampler_for(problem: SearchProblem[S]) -> Sampler[S]:
    """The sampler that a problem's settings ask for."""
    sampler: type[Sampler[S]] = implementation(type(problem.search))
    return sampler(problem)
