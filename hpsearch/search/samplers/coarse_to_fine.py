"""Coarse-to-fine search: within a stage, draws in the stage's box; between stages, `narrowing`.

What a stage proposes depends on its box and the trial's number alone, and the box on the trials
of the stage before, so any number of workers tries the same configurations.
"""

from __future__ import annotations

from hpsearch.search.samplers.random import RandomSampler


class CoarseToFineSampler(RandomSampler):
    """Draws in the box of the present stage."""
