"""Samplers, one a file; this table is where a new one is entered."""

from __future__ import annotations

from collections.abc import Mapping

from hpsearch.search.base import Sampler
from hpsearch.search.random import RandomSampler
from hpsearch.spec.space import search_space
from hpsearch.spec.study import StudySpec

SAMPLERS: Mapping[str, type[Sampler]] = {"random": RandomSampler}


def sampler_for(spec: StudySpec) -> Sampler:
    """The sampler that a study asks for."""
    return SAMPLERS[spec.search.kind](search_space(spec), spec.seed)
