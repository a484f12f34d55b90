"""The precision of products: `training.precision`.

Under bf16 the products of matrices and convolutions, forward and back, take factors rounded to 8
bits and give numbers rounded so; sums, activations, losses, weights, the optimizer's state and all
measuring stay in float32.

Source: Micikevicius et al. 2018; Kalamkar et al. 2019 (bfloat16 needs no scaling of the loss).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from hpsearch.errors import TrainingFailed
from hpsearch.spec.study import StudySpec


def check_precision(spec: StudySpec, device: torch.device) -> None:
    """Refuses a precision that the device lacks.

    Raises:
        TrainingFailed: when it has no bfloat16.
    """
    if spec.training.precision == "fp32" or device.type == "cpu":
        return
    try:
        can = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
        torch.zeros(1, dtype=torch.bfloat16, device=device)
    except (RuntimeError, TypeError, AssertionError):  # the last where torch was built without it
        can = False
    if not can:
        raise TrainingFailed(
            f"training.precision bf16 needs a device with bfloat16, and the worker's {device} has "
            "none; use fp32, or a worker with --device cpu"
        )


def autocast(spec: StudySpec, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a training pass computes its products."""
    if spec.training.precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
