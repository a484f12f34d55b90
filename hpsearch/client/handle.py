"""What a study, a trial and an ensemble of the server have in common for who holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

from hpsearch.client.transport import Transport
from hpsearch.spec.language.base import Record

R = TypeVar("R", bound=Record)


class Handle(ABC, Generic[R]):
    """Something on the server: its record as last read, and the connection to ask for more.

    A handle's properties are fields of `record`. They change when the handle reads anew: by
    `refresh`, by waiting, and by its own actions, whose answer is the new record. Handles are equal
    when they stand for the same thing and hold equal records.

    Args:
        transport: the connection that the record came by.
        record: what the server answered.
    """

    def __init__(self, transport: Transport, record: R) -> None:
        self._transport = transport
        self.record = record
        """What was last read, as the server sent it; `record.model_dump()` is a plain object."""

    @property
    @abstractmethod
    def _path(self) -> str:
        """Where it lies under the API."""

    def refresh(self) -> Self:
        """Reads it again from the server, and returns this handle.

        Raises:
            NotFound: when it was deleted.

        >>> study.refresh().state.value
        'complete'
        """
        self.record = self._transport.get(self._path, type(self.record))
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return type(self) is type(other) and self.record == other.record

    def __hash__(self) -> int:
        return hash((type(self), self._path))
