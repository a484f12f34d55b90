"""Packages that only some uses need: asked for when used, and named when missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from hpsearch.errors import HpsearchError


class MissingPackage(HpsearchError):
    """Something is needed that was not installed with hpsearch."""

    code = "missing_package"


def require_extra(module: str, extra: str, what: str) -> Any:
    """Imports a module of a package that may be missing, and returns it.

    Args:
        module: its name.
        extra: the extra of hpsearch that brings it.
        what: what needs it, in the plural ("figures").

    Raises:
        MissingPackage: with the command that installs it.
    """
    with importing_extra(extra, what):
        return import_module(module)


@contextmanager
def importing_extra(extra: str, what: str) -> Iterator[None]:
    """Turns an import that fails inside a `with` into MissingPackage.

    Args:
        extra: the extra of hpsearch that brings what is imported.
        what: what needs it, in the plural ("figures").

    Raises:
        MissingPackage: with the command that installs it.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise MissingPackage(
            f"{what} need {package}, which cannot be imported ({error}); "
            f"install it with: pip install 'hpsearch[{extra}]'"
        ) from error
