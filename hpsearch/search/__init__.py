"""Samplers, one a file; this table is where a new one is entered."""

from __future__ import annotations

from collections.abc import Mapping

from hpsearch.search.samplers.base import Problem, Sampler
from hpsearch.search.samplers.cmaes import CmaesSampler
from hpsearch.search.samplers.coarse_to_fine import CoarseToFineSampler
from hpsearch.search.samplers.gp import GpSampler
from hpsearch.search.samplers.grid import GridSampler
from hpsearch.search.samplers.nsga2 import Nsga2Sampler
from hpsearch.search.samplers.random import RandomSampler
from hpsearch.search.samplers.sobol import SobolSampler
from hpsearch.search.samplers.tpe import TpeSampler

SAMPLERS: Mapping[str, type[Sampler]] = {
    "random": RandomSampler,
    "grid": GridSampler,
    "sobol": SobolSampler,
    "coarse_to_fine": CoarseToFineSampler,
    "tpe": TpeSampler,
    "gp": GpSampler,
    "cmaes": CmaesSampler,
    "nsga2": Nsga2Sampler,
}


def sampler_for(problem: Problem) -> Sampler:
    """The sampler that a problem's settings ask for."""
    return SAMPLERS[problem.search.kind](problem)
