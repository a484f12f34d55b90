"""Ends a child process when its parent is gone, however the parent ended.

The parent holds the writing end of the child's standard input; when the parent dies, even by
kill -9, the system closes it, the child reads the end and ends itself as if told to.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def exit_with_parent() -> None:
    """Sends this process SIGTERM once its standard input is closed."""

    def wait_for_end() -> None:
        while os.read(descriptor, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    descriptor = sys.stdin.fileno()
    threading.Thread(target=wait_for_end, name="parent watch", daemon=True).start()
