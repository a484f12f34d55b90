"""Trials that a loop of one's own has asked for: given back where the program dies of an error.

A program that ends in peace keeps them: its results may come from elsewhere, later.
"""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from hpsearch.errors import HpsearchError
from hpsearch.spec.language.states import TrialState

if TYPE_CHECKING:
    from hpsearch.client.trial import Trial

_asked: WeakSet[Trial] = WeakSet()


def remember(trial: Trial) -> None:
    """Notes a trial that was asked for."""
    if not _asked:
        atexit.unregister(give_back_after_error)
        atexit.register(give_back_after_error)
    _asked.add(trial)


def give_back_after_error() -> None:
    """Gives back the trials that are still open, where an exception that nobody caught ended all.

    Python notes such an exception in `sys.last_value`, Ctrl-C too.
    """
    if not hasattr(sys, "last_value"):
        return
    for trial in list(_asked):
        if trial.state is TrialState.RUNNING:
            with suppress(HpsearchError, RuntimeError):  # no server, or the client is closed
                trial.give_back()
