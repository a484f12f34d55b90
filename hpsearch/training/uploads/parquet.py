"""Parquet: a table whose columns know their types. In messages the first row is row 1."""

from __future__ import annotations

from pathlib import Path

from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.training.uploads.parquet_source import ParquetSource
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.tabular import describe_source, read_source
from hpsearch.training.uploads.upload_format import Format


def read_parquet(path: Path, options: ReadOptions) -> Table:
    """The rows of a Parquet file; the target is the column that the options name.

    Raises:
        InvalidInput: naming the columns and the rows that are wrong.
    """
    return read_source(ParquetSource(path), options)


def describe_parquet(path: Path, options: ReadOptions, name: str) -> DatasetInfo:
    """The record of a Parquet file.

    Raises:
        InvalidInput: naming the columns and the rows that are wrong.
    """
    return describe_source(ParquetSource(path), options, name)


PARQUET = Format(read_parquet, describe_parquet, magic=b"PAR1")
