"""Checking that a file is UTF-8 text."""

from __future__ import annotations

import codecs
from pathlib import Path

from hpsearch.training.uploads.read_options import invalid_upload

BLOCK_BYTES = 1 << 22


def check_utf8(path: Path) -> None:
    """Refuses a file that is not UTF-8; reads through it once.

    Raises:
        InvalidInput: naming the first line that is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                # The decoder may hold the beginning of a character, which is in this line too.
                line += error.object[: error.start].count(b"\n")
                raise _not_utf8(line) from None
            line += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _not_utf8(line) from None


def _not_utf8(line: int) -> Exception:
    return invalid_upload(f"the file must be UTF-8 text, and line {line} is not; save it as UTF-8")
