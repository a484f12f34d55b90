"""Every random number of training, by purpose: no global state, nothing depends on call order.

A draw is named by its stream, the study's seed and further parts (trial number, epoch). Streams
are told apart by `SeedSequence`'s spawn key, so no two names share bits.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What a random number is for. Values are part of what makes a study repeatable: only add."""

    SPLIT = 1
    """(study seed)"""
    INIT = 2
    """(study seed, trial number), with the repeat behind it but for the first."""
    ORDER = 3
    """(study seed, epoch), with the trial number behind it where each trial has its own order,
    and the repeat behind that but for the first."""
    DROPOUT = 4
    """(study seed, trial number, epoch), with the repeat behind it but for the first: one key per
    step."""
    SCHEDULE = 5
    """(study seed, trial number)"""
    AUGMENT = 6
    """(study seed, trial number, epoch): one key per step."""
    MIXUP = 8
    """As AUGMENT: one share per step."""
    FRACTION = 7
    """(study seed): the order in which training rows are left out."""
    PLUGIN = 9
    """(study seed): what a plug-in draws for its data, and while it is measured."""
    SHARED_INIT = 10
    """(study seed, repeat): where trials share their initial weights, those of repeats but for the
    first, which is INIT with the study seed alone."""
    FOLDS = 11
    """(study seed): which rows validate together."""


def sequence(stream: Stream, seed: int, *parts: int) -> np.random.SeedSequence:
    """NumPy's source of independent seeds for one name; parts are in [0, 2³²)."""
    return np.random.SeedSequence(seed, spawn_key=(stream, *parts))


def seed_of(stream: Stream, seed: int, *parts: int) -> int:
    """The seed of a name, in [0, 2⁶³)."""
    return int(sequence(stream, seed, *parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def numpy_generator(stream: Stream, seed: int, *parts: int) -> np.random.Generator:
    """A NumPy generator for the draws of a name."""
    return np.random.default_rng(sequence(stream, seed, *parts))


def torch_generator(stream: Stream, seed: int, *parts: int) -> torch.Generator:
    """A torch generator for the draws of a name; on the CPU, whatever device trains."""
    return torch.Generator().manual_seed(seed_of(stream, seed, *parts))


def step_keys(stream: Stream, seed: int, *parts: int, steps: int) -> np.ndarray:
    """A 32-bit key for each step of an epoch, [steps] int32."""
    return sequence(stream, seed, *parts).generate_state(steps, np.uint32).view(np.int32)
