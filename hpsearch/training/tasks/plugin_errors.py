"""Errors of a plug-in's own code: one sentence that names the plug-in and the line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from hpsearch.errors import HpsearchError, TrainingFailed

_NOT_THEIRS = tuple(
    str(path) + "/" for path in (Path(torch.__file__).parent, Path(__file__).resolve().parents[2])
)
_LONGEST = 300


class PluginErrors:
    """Makes the errors of one plug-in.

    Args:
        name: its entry point's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def violation(
        self, rule: str, instead: str, remedy: str = "mend the plug-in"
    ) -> TrainingFailed:
        """The error of a rule that the plug-in breaks.

        Args:
            rule: what it must do.
            instead: what it does.
            remedy: what the person may change.
        """
        return TrainingFailed(f"the plug-in {self._name} must {rule}, {instead}; {remedy}")

    @contextmanager
    def while_running(self, what: str) -> Iterator[None]:
        """Runs code of the plug-in; errors of ours, and memory that runs out, pass as they are.

        Args:
            what: the plug-in's function or part that runs.

        Raises:
            TrainingFailed: in place of what the code raises.
        """
        try:
            yield
        except (HpsearchError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:_LONGEST]
            raise self.violation(
                f"run {what} without errors",
                f"got {type(error).__name__}: {words}{_line_of(error)}",
            ) from error


def _line_of(error: Exception) -> str:
    """The last line of the plug-in's own that ran."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_NOT_THEIRS) and Path(frame.filename).is_file():
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""
