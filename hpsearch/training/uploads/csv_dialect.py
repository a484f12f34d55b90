"""How a CSV file is written: what separates its fields, where its header stands.

All is decided by whole records, in which quoted fields may hold delimiters and line ends. A
delimiter is the better the more records have as many fields as the header, then the fewer fields
hold another delimiter: a comma in a number is no such one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpsearch.training.uploads.read_options import first_line, invalid_upload
from hpsearch.training.uploads.text import open_utf8

DELIMITERS = ("\t", ";", "|", ",")
"""Of equally good ones the first: a comma is the most frequent in text."""

_OF_ONE_COLUMN = (",", ";", "|", "\t")
"""Where nothing is separated, of those that separate nothing in any record the first."""

MAX_RECORD_BYTES = 1 << 24
"""Of one record, as far as files are looked at."""

SAMPLE_BYTES = 1 << 18
SAMPLE_RECORDS = 200
ENOUGH_RECORDS = 10
"""So many whole records are looked at where the file has them."""

_NUMBER = re.compile(r"[^\d]{0,4}\d[\d.,'\s]*[^\d]{0,4}")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class CsvDialect:
    """How a file is written."""

    delimiter: str
    header: tuple[str, ...]
    """The fields of its first record, without spaces around them; some may be empty."""
    header_bytes: int
    """Where the record under the header begins in the text as UTF-8 without a mark."""
    header_row: int
    """Number of the header among all records, from 1: blank lines and comments count."""
    has_extra_field: bool
    """Whether the records have one field more than the header, which is empty: each of their
    lines ends with the delimiter."""


def read_dialect(path: Path) -> CsvDialect:
    """How a file of text is written.

    Raises:
        InvalidInput: when it has no header.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    size_bytes = SAMPLE_BYTES
    while True:
        with open_utf8(path) as file:
            content = file.read(size_bytes)
        sample = _Sample(content.decode("utf-8", "ignore"), is_whole=len(content) < size_bytes)
        try:
            found = _dialect(sample)
        except csv.Error as error:
            raise invalid_upload(
                f"the file must be CSV, and its header is not ({first_line(error)}); is a quote "
                "not closed?"
            ) from None
        if found is not None:
            return found
        if sample.is_whole or size_bytes >= MAX_RECORD_BYTES:
            raise _no_header()
        size_bytes *= 8


@dataclass(frozen=True)
class _Sample:
    """The beginning of a file, or all of it."""

    text: str
    is_whole: bool
    start: int = 0
    """Where it is looked at from."""
    row: int = 1
    """What the record there is called."""

    def at(self, start: int, row: int) -> _Sample:
        """The same from another position on."""
        return _Sample(self.text, self.is_whole, start, row)

    def lines(self) -> Iterator[str]:
        """The lines from there on with their ends."""
        return iter(io.StringIO(self.text[self.start :], newline=""))


@dataclass(frozen=True)
class _Trial:
    """The first whole records of a file as one delimiter separates them."""

    delimiter: str
    records: list[list[str]]
    header_end: int
    """Where the second record begins, counted from the first."""

    @property
    def width(self) -> int:
        """Fields of the header."""
        return len(self.records[0]) if self.records else 0

    def agreement(self) -> float:
        """Share of records with as many fields as the header; one more may be empty."""
        fitting = [self._fits(record) for record in self.records[1:]]
        return sum(fitting) / len(fitting) if fitting else 1.0

    def _fits(self, record: Sequence[str]) -> bool:
        extra = len(record) - self.width
        return extra == 0 or (extra == 1 and not record[-1].strip())

    def rank(self) -> tuple[float, float, int]:
        """The greater, the better. A file of one column is believed in where nothing else fits."""
        agreement = self.agreement() if self.width > 1 else 0.49 * self.agreement()
        cells = [cell for record in self.records[1:] or self.records for cell in record]
        plain = sum(self._is_plain(cell) for cell in cells) / max(len(cells), 1)
        # One faulty record in ten must not let another delimiter win.
        order = DELIMITERS if self.width > 1 else _OF_ONE_COLUMN
        preference = order.index(self.delimiter) if self.delimiter in order else 0
        return min(1.0, agreement + 0.1), plain, -preference

    def _is_plain(self, cell: str) -> bool:
        others = [mark for mark in DELIMITERS if mark != self.delimiter]
        return not any(mark in cell for mark in others) or bool(_NUMBER.fullmatch(cell.strip()))


def _dialect(sample: _Sample) -> CsvDialect | None:
    """The dialect; none where the sample is too short to tell."""
    delimiters: Sequence[str] = DELIMITERS
    start, row, comment = 0, 1, None
    for line in sample.lines():
        separator = _SEPARATOR_LINE.fullmatch(line) if delimiters is DELIMITERS else None
        if separator is not None and comment is None:
            delimiters = (separator[1],)
        elif line.startswith("#"):
            comment = sample.at(start, row)
        elif line.strip(" \t\r\n"):
            break
        start, row = start + len(line), row + 1
    else:
        if comment is None:
            return None
    best = _best(sample.at(start, row), delimiters)
    if best is None and not sample.is_whole:
        return None
    if comment is not None and _is_header(comment, best):
        sample = comment
        best = _best(comment, delimiters if best is None else (best.delimiter,))
    else:
        sample = sample.at(start, row)
    if best is None or not any(cell.strip() for cell in best.records[0]):
        return None
    fitting = [len(record) for record in best.records[1:]]
    return CsvDialect(
        delimiter=best.delimiter,
        header=tuple(cell.strip() for cell in best.records[0]),
        header_bytes=len(sample.text[: sample.start + best.header_end].encode()),
        header_row=sample.row,
        has_extra_field=sum(count > best.width for count in fitting) * 2 > len(fitting)
        and best.agreement() > 0.5,
    )


def _best(sample: _Sample, delimiters: Sequence[str]) -> _Trial | None:
    """The trial of the best delimiter; none where the sample holds too few whole records."""
    trials = [_trial(sample, delimiter) for delimiter in delimiters]
    if not sample.is_whole and max(len(trial.records) for trial in trials) < ENOUGH_RECORDS:
        return None
    trials = [trial for trial in trials if trial.records]
    return max(trials, key=_Trial.rank, default=None)


def _trial(sample: _Sample, delimiter: str) -> _Trial:
    read, ends, records = 0, [], []

    def lines() -> Iterator[str]:
        nonlocal read
        for line in sample.lines():
            read += len(line)
            yield line

    # Spaces behind a delimiter count for nothing: a quoted field may follow them.
    for record in csv.reader(lines(), delimiter=delimiter, skipinitialspace=True):
        if not sample.is_whole and sample.start + read >= len(sample.text):
            break  # it may go on behind the sample
        if record:
            records.append(record)
            ends.append(read)
        if len(records) > SAMPLE_RECORDS:
            break
    return _Trial(delimiter, records, ends[0] if ends else 0)


def _is_header(comment: _Sample, below: _Trial | None) -> bool:
    """Whether a line that begins with `#` names the columns of the records below it.

    So it is where it has as many fields and the record below holds numbers, as no header does.
    """
    if below is None:
        return True
    names = _trial(comment, below.delimiter)
    return names.width == below.width > 1 and any(map(is_number, below.records[0]))


def is_number(cell: str) -> bool:
    """Whether a field of a header is a number, as no column is called."""
    return bool(re.fullmatch(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?", cell.strip()))


def _no_header() -> Exception:
    return invalid_upload("the file must have a header in its first row, and that is empty")
