"""Several checkpoints, and what they predict, in one body.

8 bytes    n, the header's length, little-endian
n bytes    the header, JSON: {"checkpoints": [{job, attempt, epoch, content, best, last, reasons,
           size_bytes, sha256}, ...]}
the rest   the contents, one after another in the header's order

An ensemble's parcel is alike: its header is what the worker found, its one content the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from hpsearch.errors import InvalidInput
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.wire.jobs import EnsembleUpload, Token

LENGTH_BYTES = 8

H = TypeVar("H", bound=SpecModel)


class Enclosed(Token):
    """One of them: a trial's state after an epoch, or what the state sent before predicts."""

    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    content: Literal["checkpoint", "predictions"] = "checkpoint"
    best: bool = False
    last: bool = True
    reasons: tuple[Reason, ...] = ()
    """Why it is kept beside these two."""
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Header(SpecModel):
    checkpoints: Annotated[list[Enclosed], Field(min_length=1, max_length=10_000)]


def pack(checkpoints: Sequence[Enclosed], contents: Sequence[bytes]) -> bytes:
    """The body that holds these contents."""
    return _packed(_Header(checkpoints=list(checkpoints)), contents)


def unpack(body: bytes) -> list[tuple[Enclosed, bytes]]:
    """What `pack` was given.

    Raises:
        InvalidInput: when the body is no such parcel.
    """
    header, begin = _opened(body, _Header)
    if begin + sum(one.size_bytes for one in header.checkpoints) != len(body):
        raise InvalidInput.at(
            "body", f"must be as long as its header says, got {len(body)} bytes; send it again"
        )
    found = []
    for one in header.checkpoints:
        found.append((one, body[begin : begin + one.size_bytes]))
        begin += one.size_bytes
    return found


def pack_ensemble(built: EnsembleUpload, content: bytes) -> bytes:
    """The body that holds an ensemble."""
    return _packed(built, [content])


def unpack_ensemble(body: bytes) -> tuple[EnsembleUpload, bytes]:
    """What `pack_ensemble` was given.

    Raises:
        InvalidInput: when the body is no such parcel.
    """
    built, begin = _opened(body, EnsembleUpload)
    return built, body[begin:]


def _packed(header: SpecModel, contents: Sequence[bytes]) -> bytes:
    text = header.model_dump_json().encode()
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "little"), text, *contents])


def _opened(body: bytes, kind: type[H]) -> tuple[H, int]:
    """A body's header, and where its contents begin."""
    begin = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    try:
        return kind.model_validate_json(body[LENGTH_BYTES:begin]), begin
    except ValidationError as error:
        raise InvalidInput.at(
            "body",
            f"must open with a header that says what it holds ({error.errors()[0]['msg']})",
        ) from None
