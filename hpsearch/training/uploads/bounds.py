"""What keeps a small file from becoming a large one in memory."""

MAX_UNPACKED_BYTES = 4 << 30
"""Of a whole data set, however well it was packed."""

MAX_MEMBERS = 500_000
"""Files in an archive."""

MAX_RATIO = 200
"""Unpacked to packed size of a file in an archive, beyond `FREE_BYTES`."""

FREE_BYTES = 1 << 20
"""So much may be packed as well as it likes."""
