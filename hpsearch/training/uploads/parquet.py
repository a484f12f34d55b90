"""Parquet: a table whose columns know their types. In messages the first row is row 1."""

from __future__ import annotations

from pathlib import Path

from hpsearch.training.uploads.bounds import MAX_UNPACKED_BYTES
from hpsearch.training.uploads.columns import typed_column
from hpsearch.training.uploads.read_options import ReadOptions, first_line, invalid_upload
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.tabular import (
    build_table,
    check_names,
    check_rows,
    use_of,
)
from hpsearch.training.uploads.upload_format import Format


def read_parquet(path: Path, options: ReadOptions) -> Table:
    """The rows of a Parquet file; the target is the column that the options name.

    Raises:
        InvalidInput: naming the column and the row that are wrong.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            size = max(unpacked, 8 * about.num_rows * about.num_columns)
            if size > MAX_UNPACKED_BYTES:
                raise invalid_upload(
                    f"a file must unpack to at most {MAX_UNPACKED_BYTES} bytes, and this one "
                    f"says {size}; send less"
                )
            names = list(file.schema_arrow.names)
            check_names(names, options)
            check_rows(about.num_rows)
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise invalid_upload(
            f"the file must be whole Parquet, and it is not ({first_line(error)})"
        ) from None
    return build_table(
        options,
        (
            typed_column(name, table.column(name).combine_chunks(), use_of(options, name), 1)
            for name in names
        ),
        first_row=1,
    )


PARQUET = Format(read_parquet, magic=b"PAR1")
