"""Packages that only some uses need: asked for when used, and named when missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hpsearch.errors import HpsearchError


class MissingPackage(HpsearchError):
    """Something is needed that was not installed with hpsearch."""

    code = "missing_package"


def require_extra(module: str, extra: str, what: str) -> Any:
    """A module that may be missing.

    Args:
        module: its name.
        extra: the extra of hpsearch that brings it.
        what: what needs it, in the plural ("figures").

    Raises:
        MissingPackage: with the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackage(
            f"{what} need {module.partition('.')[0]}, which cannot be imported ({error}); "
            f"install it with: pip install 'hpsearch[{extra}]'"
        ) from error
