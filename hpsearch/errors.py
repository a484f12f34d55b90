"""Every error and warning a person can meet, each one sentence: the rule, the value, the remedy.

`code` is the stable name that REST answers carry; the status of each is decided in `api.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field: its dotted path and a sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class HpsearchError(Exception):
    """The root of them all; `str(error)` is a whole sentence."""

    code: ClassVar[str] = "error"


class InvalidInput(HpsearchError):
    """What was sent breaks a rule; `errors` names every field that does."""

    code = "invalid_input"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)

    @classmethod
    def at(cls, path: str, message: str) -> InvalidInput:
        """The error of a single field."""
        return cls([FieldError(path, message)])


class NotFound(HpsearchError):
    """Nothing has this id or name."""

    code = "not_found"


class Conflict(HpsearchError):
    """The request does not fit the present state."""

    code = "conflict"


class IllegalTransition(Conflict):
    """A state cannot follow the present one."""

    code = "illegal_transition"


class StaleLease(Conflict):
    """The (job, attempt) token is no longer in force; whoever holds it must drop the job."""

    code = "stale_lease"


class ReportGap(Conflict):
    """A report or checkpoint would leave an epoch before it unreported."""

    code = "report_gap"


class IdempotencyMismatch(Conflict):
    """An Idempotency-Key was used before for another request."""

    code = "idempotency_mismatch"


class VersionMismatch(Conflict):
    """Worker and server are of different versions."""

    code = "version_mismatch"


class Unauthorized(HpsearchError):
    """The token is missing or wrong."""

    code = "unauthorized"


class StorageFull(HpsearchError):
    """Disk or quota is used up."""

    code = "storage_full"


class DatabaseUnavailable(HpsearchError):
    """The database does not answer."""

    code = "database_unavailable"


class CorruptArtifact(HpsearchError):
    """An artifact's bytes do not match its hash or its format."""

    code = "corrupt_artifact"


class ServerUnreachable(HpsearchError):
    """No server answers at the address."""

    code = "server_unreachable"


class ServerFault(HpsearchError):
    """The server failed at a request; asking again later may do."""

    code = "internal_error"


class ServerRefused(HpsearchError):
    """The server answered with a problem; its fields are kept."""

    code = "server_refused"

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.problem_code = code


class CannotStart(HpsearchError):
    """A server or worker cannot start; the message says what to change."""

    code = "cannot_start"


class TrainingFailed(HpsearchError):
    """Training cannot go on for a reason that a repeat would not mend."""

    code = "training_failed"


class UnknownCategoryWarning(UserWarning):
    """Rows to predict hold categories that no training row had."""
