"""Which arrays of an npz file are read: x, the target, the names of classes, and side arrays.

Arrays with _train, _validation and _test behind their names are one array, part after part. Of all
others only the header is unpacked; they are left out, and it is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads.archive import Archive
from hpsearch.training.uploads.npy_member import SUFFIX, NpyMember, npy_member
from hpsearch.training.uploads.read_options import ReadOptions, invalid_upload
from hpsearch.training.uploads.table import SPLIT_NAMES

CLASSES = "classes"
MOST_NAMES = 10
"""Arrays that a note names; more are only counted."""


@dataclass(frozen=True)
class JoinedArray:
    """One array [N, ...], which may lie in the file in several parts."""

    name: str
    members: tuple[NpyMember, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, ...]."""
        rows = sum(member.shape[0] for member in self.members)
        return rows, *self.members[0].shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that holds the values of all parts."""
        return np.result_type(*(member.dtype.newbyteorder("=") for member in self.members))

    @property
    def is_by_columns(self) -> bool:
        """Whether it is a matrix whose columns lie one after the other."""
        return len(self.members) == 1 and len(self.shape) == 2 and self.members[0].is_fortran

    def row_blocks(self) -> Iterator[NDArray[Any]]:
        """Its rows in order, in blocks."""
        for member in self.members:
            yield from member.row_blocks()

    def whole(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """All values [N, ...] in a type, without a second copy of them."""
        if len(self.members) == 1 and self.members[0].is_fortran:
            return self.members[0].whole().astype(dtype, copy=False)
        values = np.empty(self.shape, dtype)
        row = 0
        for block in self.row_blocks():
            values[row : row + len(block)] = block
            row += len(block)
        return values


@dataclass(frozen=True)
class NpzArrays:
    """What is read of an npz file."""

    x: JoinedArray
    target: JoinedArray | None
    """None where a file is only looked at, and has none."""
    classes: tuple[str, ...]
    """Names of the classes that the target counts; empty where the file has none."""
    side_arrays: tuple[JoinedArray, ...]
    """One value a row."""
    parts: Mapping[str, int]
    """Rows by part of a file in parts, in their order; empty otherwise."""
    notes: tuple[str, ...]
    """What was left out."""

    @property
    def is_image(self) -> bool:
        """Whether rows are images."""
        return len(self.x.shape) > 2


def npz_arrays(archive: Archive, options: ReadOptions) -> NpzArrays:
    """The arrays of an npz file, of which nothing but headers and names is unpacked.

    Raises:
        InvalidInput: naming the array that is missing or wrong.
    """
    target = options.target or "y"
    members, damaged = _members(archive)
    for name, error in damaged.items():
        if name in _needed(target):
            raise error
    parts = _parts(members)
    arrays = _joined(members, parts, target) if parts else _alone(members)
    for name in ("x", target):
        if name not in arrays and (name == "x" or options.needs_target or options.target):
            raise invalid_upload(
                f"must hold an array {name!r}, and there are {', '.join(members) or 'none'}; "
                "save it as np.savez(file, x=..., y=...)",
                "target" if name == target and options.target else "file",
            )
    x, y = arrays["x"], arrays.get(target)
    for member in (*x.members, *(() if y is None else y.members)):
        member.check()
    _check_shapes(x, y)
    sides = tuple(
        array
        for name, array in arrays.items()
        if name not in ("x", target) and array.shape == x.shape[:1] and _is_readable(array)
    )
    used = {"x", target, CLASSES, *(array.name for array in sides)}
    left_out = [name for name in members if _stem(name, parts) not in used] + list(damaged)
    return NpzArrays(
        x,
        y,
        _class_names(members, y),
        sides,
        {part: members[f"x_{part}"].shape[0] for part in parts},
        tuple(_notes(left_out)),
    )


def _members(archive: Archive) -> tuple[dict[str, NpyMember], dict[str, InvalidInput]]:
    """The arrays of a file by name, and what is wrong with those that are none."""
    members, damaged = {}, {}
    for member in archive.members:
        name = member.name.removesuffix(SUFFIX)
        if member.suffix != SUFFIX:
            continue
        try:
            members[name] = npy_member(archive, member)
        except InvalidInput as error:
            damaged[name] = error
    return members, damaged


def _needed(target: str) -> set[str]:
    """The names without which a file is not what it should be."""
    stems = ("x", target)
    return {*stems, CLASSES, *(f"{stem}_{part}" for stem in stems for part in SPLIT_NAMES)}


def _parts(members: Mapping[str, NpyMember]) -> list[str]:
    """The parts that a file comes in; none where it comes as a whole."""
    found = [part for part in SPLIT_NAMES if f"x_{part}" in members]
    return [] if "x" in members else found


def _alone(members: Mapping[str, NpyMember]) -> dict[str, JoinedArray]:
    return {name: JoinedArray(name, (member,)) for name, member in members.items() if member.shape}


def _joined(
    members: Mapping[str, NpyMember], parts: Sequence[str], target: str
) -> dict[str, JoinedArray]:
    """The arrays that are there for every part."""
    ending = f"_{parts[0]}"
    arrays = {}
    for stem in [name.removesuffix(ending) for name in members if name.endswith(ending)]:
        blocks = [members.get(f"{stem}_{part}") for part in parts]
        found = tuple(member for member in blocks if member is not None and member.shape)
        if len(found) == len(parts) and len({member.shape[1:] for member in found}) == 1:
            arrays[stem] = JoinedArray(stem, found)
        elif stem in ("x", target):
            raise invalid_upload(
                f"{stem} must be there for {', '.join(parts)}, in rows of one shape; save all parts"
            )
    return arrays


def _stem(name: str, parts: Sequence[str]) -> str:
    endings = [f"_{part}" for part in parts]
    return next((name.removesuffix(end) for end in endings if name.endswith(end)), name)


def _check_shapes(x: JoinedArray, y: JoinedArray | None) -> None:
    shape = None if y is None else y.shape
    if x.shape[0] == 0 or (
        shape is not None
        and (shape[:1] != x.shape[:1] or len(shape) > 2 or np.prod(shape) != shape[0])
    ):
        name = "" if y is None else f" and {y.name} one entry for each"
        got = "" if shape is None else f" and {list(shape)}"
        raise invalid_upload(f"x must have rows{name}, got {list(x.shape)}{got}")
    if x.dtype.kind == "U" or len(x.shape) not in (2, 3, 4) or not np.prod(x.shape):
        raise invalid_upload(
            "x must hold numbers of shape [rows, columns], [rows, height, width] or "
            f"[rows, channels, height, width], got {x.dtype} of {list(x.shape)}"
        )


def _is_readable(array: JoinedArray) -> bool:
    kinds = {member.dtype.kind for member in array.members}
    return kinds <= set("biufUM") and not any(m.dtype.hasobject for m in array.members)


def _class_names(members: Mapping[str, NpyMember], y: JoinedArray | None) -> tuple[str, ...]:
    member = members.get(CLASSES)
    if member is None or y is None or y.name == CLASSES:
        return ()
    member.check()
    if y.dtype.kind not in "iu" or member.dtype.kind != "U" or len(member.shape) != 1:
        raise invalid_upload("classes must be names, and y whole numbers that count them")
    return tuple(map(str, member.whole()))


def _notes(left_out: Sequence[str]) -> Iterator[str]:
    if left_out:
        more = f" and {len(left_out) - MOST_NAMES} more" if len(left_out) > MOST_NAMES else ""
        yield (
            f"of the file's arrays {', '.join(left_out[:MOST_NAMES])}{more} are left out: they are "
            "neither x nor the target, nor have they one number or text for each row"
        )
