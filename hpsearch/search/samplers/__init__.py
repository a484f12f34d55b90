"""Samplers, one a file; `spec.search` names the class of each kind."""

from __future__ import annotations

from hpsearch.search.samplers.base import Problem, Sampler
from hpsearch.spec.language.family import implementation


def sampler_for(problem: Problem) -> Sampler:
    """The sampler that a problem's settings ask for."""
    sampler: type[Sampler] = implementation(type(problem.search))
    return sampler(problem)
