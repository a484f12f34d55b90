"""What goes wrong in a plug-in's own code, said in one sentence that names it and the line."""

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
    """Speaks of one plug-in."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fault(self, rule: str, found: str, remedy: str = "mend the plug-in") -> TrainingFailed:
        """A rule that the plug-in breaks."""
        return TrainingFailed(f"the plug-in {self._name} must {rule}, {found}; {remedy}")

    @contextmanager
    def while_running(self, part: str) -> Iterator[None]:
        """Code of the plug-in; when memory runs out, that is told as such.

        Raises:
            TrainingFailed: in place of what the code raises.
        """
        try:
            yield
        except (HpsearchError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:_LONGEST]
            raise self.fault(
                f"run {part} without errors",
                f"got {type(error).__name__}: {words}{_place(error)}",
            ) from error


def _place(error: Exception) -> str:
    """The last line of the plug-in's own that ran."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(_NOT_THEIRS) and Path(frame.filename).is_file():
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""
