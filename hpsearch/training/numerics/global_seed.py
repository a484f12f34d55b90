"""Seeding the global random generators for a while, for plug-ins' code, which may use them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator

_SPARE: list[np.random.MT19937] = []
"""Generators to lend to NumPy: to change them is a hundred times faster than to copy a state."""


@contextmanager
def global_seed(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds torch's, NumPy's and Python's generators; afterwards they are as they were before.

    Args:
        seed: in [0, 2⁶³).
        device: whose generator is seeded beside the CPU's.
    """
    of_python, of_torch, of_numpy = random.getstate(), torch.get_rng_state(), get_bit_generator()
    module = None if device.type == "cpu" else torch.get_device_module(device)
    of_device = None if module is None else module.get_rng_state()
    generator = _SPARE.pop() if _SPARE else np.random.MT19937()
    try:
        set_bit_generator(generator)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        torch.default_generator.manual_seed(seed)
        if module is not None:
            module.manual_seed(seed)
        yield
    finally:
        set_bit_generator(of_numpy)
        _SPARE.append(generator)
        random.setstate(of_python)
        torch.set_rng_state(of_torch)
        if module is not None:
            module.set_rng_state(of_device)
