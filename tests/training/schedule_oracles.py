"""What the schedule tests share: our curve of a document, and torch's and optax's curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch.optim.lr_scheduler import LRScheduler

from hpsearch.spec.schedule import Schedule
from hpsearch.training.schedules import Horizon, lr_factors, momentum_values

ADAPTER: TypeAdapter[Any] = TypeAdapter(Schedule)


def ours(
    document: Any,
    steps: int,
    *,
    steps_per_epoch: int = 1,
    epochs: int | None = None,
    seed: int = 0,
    history: Sequence[float] = (),
) -> NDArray[np.float64]:
    """Our factors of steps 0, ..., steps − 1; one step an epoch unless told otherwise."""
    horizon = Horizon(steps_per_epoch, epochs or -(-steps // steps_per_epoch), seed)
    return lr_factors(ADAPTER.validate_python(document), np.arange(steps), horizon, history)


def our_momentum(document: Any, steps: int, momentum: float = 0.5) -> NDArray[np.float64] | None:
    """Our momentum at one step an epoch."""
    schedule = ADAPTER.validate_python(document)
    return momentum_values(schedule, np.arange(steps), Horizon(1, steps), momentum)


def torchs(
    build: Callable[[torch.optim.Optimizer], LRScheduler], steps: int, *, momentum: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rate and momentum of a torch schedule over lr 1, in force at steps 0, ..., steps − 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=momentum)
    scheduler = build(optimizer)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        momenta.append(float(optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        scheduler.step()
    return np.array(rates), np.array(momenta)


def optaxs(build: Callable[[], Callable[[Any], Any]], steps: int) -> NDArray[np.float64]:
    """The values of an optax schedule in float64 at steps 0, ..., steps − 1."""
    with jax.enable_x64(True):
        schedule = build()
        return np.array([float(schedule(step)) for step in range(steps)])


def agree(found: Any, expected: Any, *, rtol: float = 1e-9) -> None:
    """Equal to rounding; values that should be 0 within 1e-12 of it."""
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)
