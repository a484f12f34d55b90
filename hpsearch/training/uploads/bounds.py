"""Limits that keep a small file from becoming a large one in memory or on disk."""

from __future__ import annotations

from pathlib import PurePosixPath

from hpsearch.spec.language.messages import format_value
from hpsearch.training.uploads.read_options import invalid_upload

MAX_UNPACKED_BYTES = 4 << 30
"""Of a whole data set, however well it was packed."""

MAX_MEMBERS = 500_000
"""Files in an archive."""

MAX_RATIO = 200
"""Unpacked to packed size of a file in an archive, beyond `FREE_BYTES`."""

FREE_BYTES = 1 << 20
"""Files up to this size may have any ratio."""


class ArchiveLimits:
    """Refuses an archive's files one by one as they are listed, before any is unpacked."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._bytes = 0

    def check(self, name: str, size_bytes: int, packed_bytes: int) -> None:
        """Checks one more file of the archive.

        Args:
            name: its path in the archive.
            size_bytes: unpacked.
            packed_bytes: in the archive.

        Raises:
            InvalidInput: when its name could harm, or a limit is exceeded.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if (
            path.is_absolute() or ".." in path.parts or ":" in path.parts[:1][0:1] or not name
            or any(ord(c) < 32 for c in name) or (path.parts and path.parts[0].endswith(":"))
        ):  # fmt: skip
            raise invalid_upload(
                f"a file in an archive must lie in a folder of it, and {format_value(name)} "
                "does not; pack it with a plain name"
            )
        if name in self._names:
            raise invalid_upload(
                f"names in an archive must differ, and {format_value(name)} is there twice"
            )
        self._names.add(name)
        self._bytes += size_bytes
        if len(self._names) > MAX_MEMBERS:
            raise invalid_upload(f"an archive must hold at most {MAX_MEMBERS} files; send fewer")
        if self._bytes > MAX_UNPACKED_BYTES:
            raise invalid_upload(
                f"an archive must unpack to at most {MAX_UNPACKED_BYTES} bytes, and this "
                "one says more; send less"
            )
        self.check_ratio(name, size_bytes, packed_bytes)

    @staticmethod
    def check_ratio(name: str, size_bytes: int, packed_bytes: int) -> None:
        """Refuses what was packed too well to be data.

        Raises:
            InvalidInput: when the unpacked size is too large for the packed one.
        """
        if size_bytes > FREE_BYTES and size_bytes > MAX_RATIO * packed_bytes:
            raise invalid_upload(
                f"a file must unpack to at most {MAX_RATIO} times its packed size, and "
                f"{format_value(name)} says {size_bytes} bytes from {packed_bytes}; "
                "store it without packing"
            )
