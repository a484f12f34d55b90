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
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.data.encoding import fit_encoding
from hpsearch.training.data.folds import Fold, folds_of
from hpsearch.training.data.given_splits import split_table
from hpsearch.training.data.sources import Source, find_source
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
    indices: SplitIndices
    """Of the rows of each part in the whole set."""
    class_type: ClassType = "text"
    """Of the values that the classes' names stand for."""

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of one row as the model takes it, encoded."""
        return tuple(self.train.x.shape[1:])

    @property
    def outputs(self) -> int:
        """What a model must give per row: one number per class, or one."""
        return len(self.classes) or 1

    def split(self, name: SplitName) -> SplitData:
        """The rows and targets of a part, by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def dataset_for(
    task: SupervisedTask,
    seed: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    fold: Fold | None = None,
) -> DataSet:
    """The data of a resolved task in a study with this seed; the last ones made stay in memory.

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
    source = find_source(task.dataset, task.dataset_version)
    images = source.table().x.ndim == 4
    kind: Kind = task.standardize or ("minmax" if images else "zscore")
    key = (source, task.split, kind, seed, device, dtype)
    return _fixed(*key) if fold is None else _folded(*key, fold.count)[fold.index]


@lru_cache(maxsize=8)
def _fixed(
    source: Source,
    split: Split,
    kind: Kind,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> DataSet:
    table = source.table()
    indices = split_table(table, split, seed)
    return _prepare(source.name, table, indices, split, kind, device, dtype)


@lru_cache(maxsize=1)
def _folded(
    source: Source,
    split: Split,
    kind: Kind,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    count: int,
) -> tuple[DataSet, ...]:
    """All folds, which hold the data k times."""
    table = source.table()
    return tuple(
        _prepare(source.name, table, indices, split, kind, device, dtype)
        for indices in folds_of(table, split, seed, count)
    )


def _prepare(
    name: str,
    table: Table,
    indices: SplitIndices,
    split: Split,
    kind: Kind,
    device: torch.device,
    dtype: torch.dtype,
) -> DataSet:
    """The parts on the device; encoding and standardisation are fitted on the training rows."""
    encoding = None
    if table.columns:
        without = [] if split.by_column is None else [split.by_column[1]]
        encoding = fit_encoding(table.columns, table.x[indices.train], without=without)
        if not encoding.columns:
            raise TrainingFailed(
                f"a data set must have a column to learn from, and {name} has none but "
                f"{', '.join(without)}, which splits it; add one"
            )
    numbers = None if table.classes else table.y[indices.train]
    standardization = fit(table.x[indices.train], kind, numbers, encoding)

    def part(rows: Indices) -> SplitData:
        x = _standardize(table.x, rows, standardization, dtype).to(device)
        if table.classes:
            return SplitData(x, torch.from_numpy(table.y[rows]).to(device))
        y = (table.y[rows] - standardization.target_shift) / standardization.target_scale
        return SplitData(x, torch.from_numpy(y).to(device, dtype))

    return DataSet(
        part(indices.train),
        part(indices.validation),
        part(indices.test),
        standardization,
        table.classes,
        indices,
        table.class_type,
    )


def _standardize(
    x: NDArray[Any], rows: Indices, standardization: Standardization, dtype: torch.dtype
) -> Tensor:
    """Rows as they are trained on, made block by block: a whole set in float64 may not fit."""
    blocks = [
        torch.from_numpy(standardization(x[rows[first : first + BLOCK_ROWS]])).to(dtype)
        for first in range(0, max(len(rows), 1), BLOCK_ROWS)
    ]
    return torch.cat(blocks).contiguous()
