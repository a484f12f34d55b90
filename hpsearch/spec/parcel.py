"""Several checkpoints in one body.

8 bytes    n, the header's length, little-endian
n bytes    the header, JSON: {"checkpoints": [{job, attempt, epoch, best, last, size_bytes,
           sha256}, ...]}
the rest   the contents, one after another in the header's order
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from hpsearch.errors import InvalidInput
from hpsearch.spec.base import SpecModel
from hpsearch.spec.exchange import Token

LENGTH_BYTES = 8


class Enclosed(Token):
    """One of them: a trial's state after an epoch."""

    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    best: bool = False
    last: bool = True
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Header(SpecModel):
    checkpoints: Annotated[list[Enclosed], Field(min_length=1, max_length=10_000)]


def pack(checkpoints: Sequence[Enclosed], contents: Sequence[bytes]) -> bytes:
    """The body that holds these contents."""
    header = _Header(checkpoints=list(checkpoints)).model_dump_json().encode()
    return b"".join([len(header).to_bytes(LENGTH_BYTES, "little"), header, *contents])


def unpack(body: bytes) -> list[tuple[Enclosed, bytes]]:
    """What `pack` was given.

    Raises:
        InvalidInput: when the body is no such parcel.
    """
    begin = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    try:
        header = _Header.model_validate_json(body[LENGTH_BYTES:begin])
    except ValidationError as error:
        raise InvalidInput.at(
            "body",
            f"must open with a header that lists its checkpoints ({error.errors()[0]['msg']})",
        ) from None
    if begin + sum(one.size_bytes for one in header.checkpoints) != len(body):
        raise InvalidInput.at(
            "body", f"must be as long as its header says, got {len(body)} bytes; send it again"
        )
    found = []
    for one in header.checkpoints:
        found.append((one, body[begin : begin + one.size_bytes]))
        begin += one.size_bytes
    return found
