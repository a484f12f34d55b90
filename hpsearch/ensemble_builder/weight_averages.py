"""Means of weights as checkpoints.

Running statistics of batch norm belong to the weights they were gathered with, so every mean of
weights, one that faded over steps (EMA) as well, gets fresh ones from the training rows.
"""

from __future__ import annotations

import torch

from hpsearch.training.checkpoints.soups import Soup
from hpsearch.training.evaluation.batch_norm import with_fresh_statistics


def mean_checkpoint(soup: Soup, device: torch.device | str) -> bytes:
    """A soup's only checkpoint as it is; of several the mean, with fresh batch-norm statistics."""
    if soup.count == 1:
        return soup.first
    return with_fresh_statistics(soup.checkpoint(), device=device)
