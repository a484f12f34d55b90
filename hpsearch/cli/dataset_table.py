"""What `hpsearch datasets add`, `inspect` and `show` print: columns, target, warnings.

A row per column, which fits 80 characters however long names and examples are; what is said of a
column stands below its row.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.padding import Padding
from rich.text import Text

from hpsearch.cli.command_words import in_options
from hpsearch.cli.output import out, say
from hpsearch.client.dataset_summary import ColumnRow, column_rows, headline, target_line
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.datasets import DatasetInfo

_LONGEST_NAME = 24
"""Cells of a column's name in 80 characters; a third of a wider terminal."""
_GAP = "  "
_LEAST_EXAMPLES = 8
_NUMBERS = ("distinct", "missing")
_FIELDS = ("read as", "used", *_NUMBERS)


def print_dataset(info: DatasetInfo, *, whole: bool = False) -> None:
    """Prints a data set for people.

    Args:
        info: the data set's.
        whole: print every column; else of a wide table those of which there is something to say.
    """
    say(headline(info))
    rows, rest = column_rows(info, whole=whole)
    if rows:
        out.print()
        _print_rows(rows)
    if rest:
        say(f"{rest}; --all shows every column")
    left_out = [column for column in info.columns if column.role == "ignored"]
    if left_out:
        say(f"{pluralize(len(left_out), 'column')} left out; to use one: --column NAME=category")
    out.print()
    out.print(Text(target_line(info)))
    for warning in info.warnings:
        out.print(Text.assemble(("warning: ", "yellow"), in_options(warning)))


def _print_rows(rows: Sequence[ColumnRow]) -> None:
    lines = [("column", *_FIELDS), *(_cells(row) for row in rows)]
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(lines[0]))]
    widths[0] = min(widths[0], max(_LONGEST_NAME, out.width // 3))
    left = out.width - sum(widths) - len(_GAP) * len(widths)
    for line, row in zip(lines, (None, *rows), strict=True):
        cells = [
            _fitted(text, width, is_number=title in _NUMBERS)
            for text, width, title in zip(line, widths, ("", *_FIELDS), strict=True)
        ]
        examples = "examples" if row is None else row.examples
        if left >= _LEAST_EXAMPLES:
            cells.append(_fitted(examples, left))
        style = "bold" if row is None else "dim" if row.used == "no" else ""
        out.print(Text(_GAP.join(cells).rstrip(), style), soft_wrap=True)
        if row is not None and row.why:
            out.print(Padding(Text(in_options(row.why), "dim"), (0, 0, 0, 4), expand=False))


def _cells(row: ColumnRow) -> tuple[str, ...]:
    return _plain(row.name), row.read_as, row.used, row.distinct, row.missing


def _fitted(text: str, width: int, *, is_number: bool = False) -> str:
    """A text in exactly so many cells, cut with an ellipsis where it is longer."""
    text = _plain(text)
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return text.rjust(width) if is_number else set_cell_size(text, width)


def _plain(text: str) -> str:
    """A text in one line: a cell of a file may hold line ends and control characters."""
    return "".join(c if c.isprintable() else "·" for c in text)
