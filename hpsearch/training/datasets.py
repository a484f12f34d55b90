"""A study's data as tensors on the device: split, standardised, and shared by all its trials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hpsearch.spec.task import Split, SupervisedTask
from hpsearch.training.sources import load
from hpsearch.training.splits import split_rows
from hpsearch.training.standardize import Kind, Standardization, fit

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Part:
    """Rows x [N, *features] and targets y [N], int64 for classes."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class DataSet:
    """Three parts, what standardised them, and the names of the classes (none for numbers)."""

    train: Part
    validation: Part
    test: Part
    standardization: Standardization
    classes: tuple[str, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.train.x.shape[1:])

    @property
    def outputs(self) -> int:
        """What a model must give per row: one number per class, or one."""
        return len(self.classes) or 1

    def part(self, name: SplitName) -> Part:
        """A part by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def dataset_for(
    task: SupervisedTask, seed: int, *, device: torch.device, dtype: torch.dtype
) -> DataSet:
    """The data of a resolved task in a study with this seed; made once and kept.

    Raises:
        NotFound: when nothing has the data set's name.
        TrainingFailed: when the split leaves a part without rows.
    """
    images = load(task.dataset).x.ndim == 4
    kind: Kind = task.standardize or ("minmax" if images else "zscore")
    return _prepared(task.dataset, task.split, kind, seed, device, dtype)


@lru_cache(maxsize=8)
def _prepared(
    name: str, split: Split, kind: Kind, seed: int, device: torch.device, dtype: torch.dtype
) -> DataSet:
    table = load(name)
    rows = split_rows(table.y, split, seed, classes=bool(table.classes))
    standardization = fit(table.x[rows.train], kind)

    def part(chosen: np.ndarray) -> Part:
        y = torch.from_numpy(table.y[chosen]).to(device)
        x = torch.from_numpy(standardization(table.x[chosen])).to(device, dtype)
        return Part(x.contiguous(), y if table.classes else y.to(dtype))

    return DataSet(
        part(rows.train), part(rows.validation), part(rows.test), standardization, table.classes
    )
