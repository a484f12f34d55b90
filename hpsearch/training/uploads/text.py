"""Text files as UTF-8: what says their encoding, and what makes them no text.

UTF-8 needs no mark; UTF-16 and UTF-32 are read where a byte order mark says so. Text of another
encoding (Windows-1252, Latin-1) cannot be told from yet another one, and is refused.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from hpsearch.training.uploads.read_options import invalid_upload

BLOCK_BYTES = 1 << 20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(first_bytes: bytes) -> str:
    """The encoding of a text that begins so: `utf-8` unless its mark says `utf-16` or `utf-32`."""
    return next((name for mark, name in _MARKS if first_bytes.startswith(mark)), "utf-8")


def is_marked_text(first_bytes: bytes) -> bool:
    """Whether a file begins with a byte order mark."""
    return any(first_bytes.startswith(mark) for mark, _ in _MARKS)


def open_utf8(path: Path, skip_bytes: int = 0) -> BinaryIO:
    """A text file as UTF-8 without its mark, whatever its encoding; the caller closes it.

    Args:
        path: where it lies.
        skip_bytes: how many bytes of the UTF-8 text to leave out at the beginning.
    """
    with path.open("rb") as start:
        first_bytes = start.read(4)
    if encoding_of(first_bytes) != "utf-8":
        file = io.BufferedReader(_Recoded(path, encoding_of(first_bytes)), BLOCK_BYTES)
        while skip_bytes > 0 and (skipped := file.read(min(skip_bytes, BLOCK_BYTES))):
            skip_bytes -= len(skipped)
        return file
    mark_bytes = len(codecs.BOM_UTF8) if first_bytes.startswith(codecs.BOM_UTF8) else 0
    opened = path.open("rb")
    opened.seek(mark_bytes + skip_bytes)
    return opened


class TextFacts(NamedTuple):
    """What a text holds."""

    is_found: bool
    """Whether a pattern is there."""
    quotes: int
    """How many double quotes."""


def check_text(path: Path, pattern: re.Pattern[bytes]) -> TextFacts:
    """Refuses a file that is not text; reads through it once.

    Args:
        path: where it lies.
        pattern: looked for in the text as UTF-8; what it matches ends in a space and a double
            quote and is shorter than 64 bytes.

    Raises:
        InvalidInput: naming the first line that is not UTF-8, or holds binary data.
    """
    line, is_found, quotes, end = 1, False, 0, b""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in _blocks(path):
        if b"\0" in block:
            raise _binary(line + block[: block.index(b"\0")].count(b"\n"))
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            # The decoder may hold the beginning of a character, which is in this line too.
            line += error.object[: error.start].count(b"\n")
            raise _not_utf8(line) from None
        line += block.count(b"\n")
        quotes += block.count(b'"')
        if b' "' in end + block and not is_found:  # many times quicker than the pattern
            is_found = pattern.search(end + block) is not None
        end = block[-64:]
    return TextFacts(is_found, quotes)


def _blocks(path: Path) -> Iterator[bytes]:
    """The text as UTF-8 in blocks, and an empty one at its end."""
    with open_utf8(path) as file:
        while True:
            try:
                block = file.read(BLOCK_BYTES)
            except UnicodeError as error:
                raise invalid_upload(
                    f"the file must be the text that its first bytes say, and it is not ({error}); "
                    "save it as UTF-8"
                ) from None
            yield block
            if not block:
                return


class _Recoded(io.RawIOBase):
    """A text file of another encoding, read as UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file: IO[str] = path.open(encoding=encoding, newline="")
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._file.read(BLOCK_BYTES // 4).encode())
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _not_utf8(line: int) -> Exception:
    return invalid_upload(
        f"the file must be UTF-8 text, and line {line} is not; save it as UTF-8 (in Excel: CSV "
        "UTF-8; in pandas: encoding='utf-8')"
    )


def _binary(line: int) -> Exception:
    return invalid_upload(
        f"the file must be CSV text, and line {line} holds binary data; see the formats"
    )
