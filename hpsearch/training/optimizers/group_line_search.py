"""Line searches of a group's trials, side by side.

K   trials        P   weights of a trial
Each trial runs its own search (`line_search`), which asks for loss and slope at one length after
another; the group is evaluated at once at what its trials ask for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hpsearch.training.optimizers.line_search import Search, strong_wolfe


def start_searches(
    active: Tensor, length: Tensor, loss: Tensor, slope: Tensor, left: Tensor
) -> dict[int, Search]:
    """A line search for each trial that moves, by row.

    Args:
        active: [K, 1], which trials move.
        length: [K, 1], tried first.
        loss: [K, 1], where the trials stand.
        slope: [K, 1], of the loss along the direction there.
        left: [K, 1], evaluations that may be spent.
    """
    searches = {}
    rows = torch.cat([active, length, loss, slope, left], dim=1).tolist()
    for trial, (moves, first, value, fall, most) in enumerate(rows):
        if moves:
            searches[trial] = strong_wolfe(first, value, fall, int(most))
    return searches


def run_searches(
    evaluate: Callable[[], tuple[Tensor, Tensor]],
    weights: Tensor,
    direction: Tensor,
    searches: dict[int, Search],
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Runs the searches of several trials side by side; one evaluation serves all of them.

    Args:
        evaluate: gives loss [K, 1] and gradient [K, P] at the present weights.
        weights: [K, P], changed in place: they end at the lengths that the searches accept.
        direction: [K, P].
        searches: by row.

    Returns:
        Lengths and numbers of evaluations, [K, 1], 0 for trials without a search; loss and
        gradient where the weights end.
    """
    start = weights.clone()
    lengths = torch.zeros_like(weights[:, :1])
    evaluations = torch.zeros_like(lengths)
    tried = {trial: next(search) for trial, search in searches.items()}
    moving = dict(tried)
    running = set(searches)
    while True:
        for trial, length in moving.items():
            lengths[trial] = length
        torch.addcmul(start, direction, lengths, out=weights)
        loss, grad = evaluate()
        at_lengths = torch.cat([loss, row_dot(grad, direction)], dim=1).tolist()
        moving = {}
        for trial in sorted(running):
            evaluations[trial] += 1
            try:
                moving[trial] = searches[trial].send(tuple(at_lengths[trial]))
            except StopIteration as end:
                running.remove(trial)
                if end.value != tried[trial]:
                    moving[trial] = end.value
        if not moving:
            return lengths, evaluations, (loss, grad)
        tried |= moving


def row_dot(left: Tensor, right: Tensor) -> Tensor:
    """The dot product of each row, [K, 1] of [K, P]."""
    return (left * right).sum(dim=1, keepdim=True)
