"""Normal noise that is a function of (seed, step), whichever steps were asked for before.

Each (seed, step) is hashed into two uniforms, u in (0, 1] and v in [0, 1), by the finaliser of
SplitMix64 (Steele, Lea & Flood 2014), and √(−2·ln u)·cos(2π·v) is standard normal (Box & Muller
1958).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpsearch.training.schedules.clock import Floats, Integers

_Words: TypeAlias = NDArray[np.uint64]

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio: neighbouring counters land far apart."""


def standard_normal(seed: int, steps: Integers) -> Floats:
    """ε [N] ~ N(0, 1), one for each step [N]."""
    key = _mix(np.array([seed & (2**64 - 1)], np.uint64) + _INCREMENT)
    counters = 2 * steps.astype(np.uint64)
    u = _unit(_mix(key + _INCREMENT * (counters + np.uint64(1))))
    v = _unit(_mix(key + _INCREMENT * (counters + np.uint64(2))))
    return np.sqrt(-2.0 * np.log(1.0 - u)) * np.cos(2.0 * np.pi * v)


def _mix(words: _Words) -> _Words:
    """SplitMix64's finaliser: flipping one bit flips each other with probability near ½."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _unit(words: _Words) -> Floats:
    """The upper 53 bits as a number in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
