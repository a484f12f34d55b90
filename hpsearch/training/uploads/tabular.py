"""What the formats of tables share: columns with names, of which one is the target.

A table is read once to say what its columns are, and then by what was said, as often as it is
trained on. Both hold no more of the file than a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hpsearch.errors import FieldError, InvalidInput
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnUse
from hpsearch.training.uploads.decisions import DecisionContext, decide
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.survey import ColumnSurvey, sketch_size
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.table_reader import read_table
from hpsearch.training.uploads.table_source import TableSource

MAX_COLUMNS = 10_000
MAX_NAME_CHARACTERS = 500
SURVEY_BYTES = 1 << 20
"""Of a column's cells that are surveyed at once."""
MOST_NAMES = 20
"""Columns that an error names; more are only counted."""


def read_source(source: TableSource, options: ReadOptions) -> Table:
    """The rows of a table.

    Raises:
        InvalidInput: naming the columns and the rows that are wrong.
    """
    if options.columns:
        return read_table(source, options.columns, options.class_type)
    info = describe_source(source, options, "file")
    return read_table(source, info.columns, info.class_type)


def describe_source(source: TableSource, options: ReadOptions, name: str) -> DatasetInfo:
    """The record of a table, from one pass through its rows.

    Args:
        source: the file.
        options: names the target, and says what was said of columns.
        name: what studies call it.

    Raises:
        InvalidInput: naming all columns that are wrong, or the file's faulty row.
    """
    check_names(source, options)
    surveys = survey_columns(source, options.target, options.uses)
    decisions = decide(surveys, DecisionContext(source.first_row, source.is_european))
    return DatasetInfo(
        name=name,
        rows=max(survey.rows for survey in surveys),
        features=(sum(column.is_feature for column in decisions.columns),),
        target=decisions.target,
        classes=len(decisions.classes.class_names),
        class_names=decisions.classes.class_names,
        class_rows=decisions.classes.class_rows,
        class_type=decisions.classes.class_type,
        columns=decisions.columns,
        warnings=(*source.notes, *decisions.warnings),
    )


def survey_columns(
    source: TableSource, target: str | None, uses: Mapping[str, ColumnUse]
) -> list[ColumnSurvey]:
    """What one pass through a file shows of its columns, in their order.

    Args:
        source: the file; of columns that cannot be read only their type is known.
        target: the column to learn, if any.
        uses: what was said of columns.
    """
    size = sketch_size(len(source.names))
    surveys = {
        name: ColumnSurvey(name, is_target=name == target, use=uses.get(name), sketch_size=size)
        for name in source.names
    }
    for name, type_name in source.unread.items():
        surveys[name].cell_type, surveys[name].type_name = "nested", type_name
    for batch in source.batches():
        for name, cells in batch.items():
            # Texts are counted in a dozen times their memory.
            step = max(1, len(cells) * SURVEY_BYTES // max(cells.nbytes, 1))
            for start in range(0, len(cells), step):
                surveys[name].add(cells.slice(start, step))
    return list(surveys.values())


def check_names(source: TableSource, options: ReadOptions) -> None:
    """Refuses columns that cannot be told apart, and options that name none of them.

    Raises:
        InvalidInput: naming all columns that are wrong.
    """
    names = source.names
    if len(names) > MAX_COLUMNS:
        raise invalid_upload(
            f"a table must have at most {MAX_COLUMNS:,} columns, got {len(names):,}; as an npz "
            "file a matrix may have more"
        )
    errors = [*_name_errors(names), *_target_errors(source, options)]
    errors += [
        FieldError(f"columns.{name}", f"no column is called so; there are {_listed(names)}")
        for name in options.uses
        if name not in names
    ]
    if errors:
        raise InvalidInput(errors)


def _name_errors(names: Sequence[str]) -> Iterator[FieldError]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        numbers = "; is the header missing?" if all(map(str.isdigit, repeated)) else ""
        yield FieldError(
            "file",
            f"column names must differ, and {_listed(map(format_value, repeated))} "
            f"{'is' if len(repeated) == 1 else 'are'} there twice; rename one{numbers}",
        )
    if "" in names:
        yield FieldError(
            "file",
            f"every column must have a name, and column {names.index('') + 1} has none; name it "
            "or take it out",
        )
    for name in names:
        if len(name) > MAX_NAME_CHARACTERS:
            yield FieldError(
                "file",
                f"a column's name must have at most {MAX_NAME_CHARACTERS} characters, and "
                f"{format_value(name)} has {len(name)}; shorten it",
            )
            return


def _target_errors(source: TableSource, options: ReadOptions) -> Iterator[FieldError]:
    target = options.target
    if target is None and not options.needs_target:
        return
    if target not in source.names:
        got = "none" if target is None else format_value(target)
        one = source.names[0] if len(source.names) == 1 else ""
        remedy = "; fields are separated by commas, semicolons, tabs or |" if " " in one else ""
        yield FieldError(
            "target",
            f"must name a column of the file, got {got}; there are {_listed(source.names)}{remedy}",
        )


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more
