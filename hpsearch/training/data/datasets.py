"""A study's data as tensors on the device: split, standardised, and shared by all its trials."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.errors import TrainingFailed
from hpsearch.spec.task import Split, SupervisedTask
from hpsearch.training.data.builtin import load, version
from hpsearch.training.data.encoding import fit_encoding
from hpsearch.training.data.folds import Fold, folds_of
from hpsearch.training.data.given_splits import split_table
from hpsearch.training.data.splits import Indices, SplitIndices
from hpsearch.training.data.standardize import Kind, Standardization, fit
from hpsearch.training.uploads.table import Table

SplitName = Literal["train", "validation", "test"]

BLOCK_ROWS = 4096
"""Rows standardised at once."""


@dataclass(frozen=True)
class SplitData:
    """Rows x [N, *features] and targets y [N], standardised; int64 for classes."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class DataSet:
    """Three parts, what standardised them, and the names of the classes (none for numbers)."""

    train: SplitData
    validation: SplitData
    test: SplitData
    standardization: Standardization
    classes: tuple[str, ...]
    rows: SplitIndices
    """Where in the whole set the rows of each part lie."""

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.train.x.shape[1:])

    @property
    def outputs(self) -> int:
        """What a model must give per row: one number per class, or one."""
        return len(self.classes) or 1

    def part(self, name: SplitName) -> SplitData:
        """A part by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def dataset_for(
    task: SupervisedTask,
    seed: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    fold: Fold | None = None,
) -> DataSet:
    """The data of a resolved task in a study with this seed; made once and kept.

    Args:
        task: of a resolved spec.
        seed: the study's.
        device: where the data lie.
        dtype: of rows, and of targets that are numbers.
        fold: which rows validate; none takes the study's fixed split.

    Raises:
        NotFound: when nothing has the data set's name.
        TrainingFailed: when the split leaves a part without rows.
    """
    images = load(task.dataset).x.ndim == 4
    kind: Kind = task.standardize or ("minmax" if images else "zscore")
    source = (task.dataset, version(task.dataset), task.split, kind, seed, device, dtype)
    return _fixed(*source) if fold is None else _folded(*source, fold.count)[fold.index]


@lru_cache(maxsize=8)
def _fixed(
    name: str,
    content: str,
    split: Split,
    kind: Kind,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> DataSet:
    del content  # tells apart contents that had the same name
    table = load(name)
    return _prepared(name, table, split_table(table, split, seed), split, kind, device, dtype)


@lru_cache(maxsize=1)
def _folded(
    name: str,
    content: str,
    split: Split,
    kind: Kind,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    count: int,
) -> tuple[DataSet, ...]:
    """All folds, which hold the data k times."""
    del content
    table = load(name)
    return tuple(
        _prepared(name, table, rows, split, kind, device, dtype)
        for rows in folds_of(table, split, seed, count)
    )


def _prepared(
    name: str,
    table: Table,
    rows: SplitIndices,
    split: Split,
    kind: Kind,
    device: torch.device,
    dtype: torch.dtype,
) -> DataSet:
    """Everything fitted on the training rows."""
    encoding = None
    if table.columns:
        without = [] if split.own is None else [split.own[1]]
        encoding = fit_encoding(table.columns, table.x[rows.train], without=without)
        if not encoding.columns:
            raise TrainingFailed(
                f"a data set must have a column to learn from, and {name} has none but "
                f"{', '.join(without)}, which splits it; add one"
            )
    numbers = None if table.classes else table.y[rows.train]
    standardization = fit(table.x[rows.train], kind, numbers, encoding)

    def part(chosen: Indices) -> SplitData:
        x = _standardised(table.x, chosen, standardization, dtype).to(device)
        if table.classes:
            return SplitData(x, torch.from_numpy(table.y[chosen]).to(device))
        y = (table.y[chosen] - standardization.target_shift) / standardization.target_scale
        return SplitData(x, torch.from_numpy(y).to(device, dtype))

    return DataSet(
        part(rows.train),
        part(rows.validation),
        part(rows.test),
        standardization,
        table.classes,
        rows,
    )


def _standardised(
    x: NDArray[Any], chosen: Indices, standardization: Standardization, dtype: torch.dtype
) -> Tensor:
    """Rows as they are trained on, made block by block: a whole set in float64 may not fit."""
    blocks = [
        torch.from_numpy(standardization(x[chosen[first : first + BLOCK_ROWS]])).to(dtype)
        for first in range(0, max(len(chosen), 1), BLOCK_ROWS)
    ]
    return torch.cat(blocks).contiguous()
