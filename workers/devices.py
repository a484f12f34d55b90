"""Where to train."""

from __future__ import annotations

import torch

from hpsearch.errors import CannotStart


def choose_device(name: str | None) -> torch.device:
    """The device of this name; none takes the best there is.

    Raises:
        CannotStart: when this machine has no such device.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise CannotStart(
            f"a device must be one of this machine's, got {name} ({reason}); try --device cpu"
        ) from None
    return device
