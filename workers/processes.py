"""Several worker processes on this machine, each restarted when it crashes."""

from __future__ import annotations

from collections.abc import Sequence

from hpsearch.processes.supervisor import Program, Supervisor


def run_processes(count: int, arguments: Sequence[str]) -> None:
    """Runs `count` workers until SIGTERM or SIGINT comes.

    Args:
        count: how many processes.
        arguments: the command line of each.

    Raises:
        CannotStart: when one of them cannot start or crashes again and again.
    """
    supervisor = Supervisor()
    try:
        for number in range(count):
            supervisor.add(Program(f"worker {number + 1}", ["workers", *arguments]))
        supervisor.run()
    finally:
        supervisor.end()
