"""What memory is left, and how an operation says that there was too little."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_REFUSALS = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
"""What plain RuntimeErrors say: the CPU's allocator, Apple's, and the libraries of NVIDIA."""

_CGROUP = Path("/sys/fs/cgroup")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of an operation means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _REFUSALS)


def free_bytes(device: torch.device) -> int:
    """What the device still has; on CPUs also what the process's container allows."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return min(_machine(), _container())


def _machine() -> int:
    """What programs can get without swapping; half of all where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container() -> int:
    """What a control group leaves of its limit."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return 2**63
    return 2**63 if limit == "max" else max(0, int(limit) - used)
