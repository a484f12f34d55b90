"""Several checkpoints and their predictions in the body of one request: a checkpoint batch.

8 bytes    n, the header's length, little-endian
n bytes    the header, JSON: {"checkpoints": [{job, attempt, epoch, content, best, last, reasons,
           size_bytes, sha256}, ...]}
the rest   the contents, one after another in the header's order

An ensemble is sent in the same format: its header is an `EnsembleUpload`, its one content the file.

CheckpointPart             the header's entry for one content
pack, unpack               a batch of checkpoints and predictions
pack_ensemble, unpack_ensemble   an ensemble
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from hpsearch.errors import InvalidInput
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.language.base import SpecModel
from hpsearch.spec.wire.jobs import EnsembleUpload, LeaseToken

LENGTH_BYTES = 8

H = TypeVar("H", bound=SpecModel)


class CheckpointPart(LeaseToken):
    """One content of a batch: a checkpoint, or the predictions of one that was sent before."""

    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)]
    content: Literal["checkpoint", "predictions"] = "checkpoint"
    best: bool = False
    last: bool = True
    reasons: tuple[Reason, ...] = ()
    """Why it is kept, beside being the best or the last one."""
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Header(SpecModel):
    checkpoints: Annotated[list[CheckpointPart], Field(min_length=1, max_length=10_000)]


def pack(checkpoints: Sequence[CheckpointPart], contents: Sequence[bytes]) -> bytes:
    """The body of a request that sends these contents, one for each part."""
    return _join(_Header(checkpoints=list(checkpoints)), contents)


def unpack(body: bytes) -> list[tuple[CheckpointPart, bytes]]:
    """The parts of a body that `pack` made, each with its content.

    Raises:
        InvalidInput: when the header cannot be read, or the body is longer or shorter than it says.
    """
    header, begin = _read_header(body, _Header)
    if begin + sum(part.size_bytes for part in header.checkpoints) != len(body):
        raise InvalidInput.at(
            "body", f"must be as long as its header says, got {len(body)} bytes; send it again"
        )
    parts = []
    for part in header.checkpoints:
        parts.append((part, body[begin : begin + part.size_bytes]))
        begin += part.size_bytes
    return parts


def pack_ensemble(built: EnsembleUpload, content: bytes) -> bytes:
    """The body of a request that sends an ensemble and its file."""
    return _join(built, [content])


def unpack_ensemble(body: bytes) -> tuple[EnsembleUpload, bytes]:
    """The ensemble and the file in a body that `pack_ensemble` made.

    Raises:
        InvalidInput: when the header cannot be read.
    """
    built, begin = _read_header(body, EnsembleUpload)
    return built, body[begin:]


def _join(header: SpecModel, contents: Sequence[bytes]) -> bytes:
    text = header.model_dump_json().encode()
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "little"), text, *contents])


def _read_header(body: bytes, kind: type[H]) -> tuple[H, int]:
    """A body's header, and the index of the byte at which its contents begin."""
    begin = LENGTH_BYTES + int.from_bytes(body[:LENGTH_BYTES], "little")
    try:
        return kind.model_validate_json(body[LENGTH_BYTES:begin]), begin
    except ValidationError as error:
        raise InvalidInput.at(
            "body",
            f"must open with a header that says what it holds ({error.errors()[0]['msg']})",
        ) from None
