"""Several ranges of one representation (RFC 9110, section 14): which bytes they are, and how they are sent.

What a client sends is read in one pass and never raises anything but `RangeNotSatisfiableError`.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("MOST_RANGES", "ByteRange", "RangeNotSatisfiableError", "content_range", "multipart_ranges", "select_ranges")

#: Offsets of the first byte and of the one after the last.
ByteRange = tuple[int, int]

#: More ranges than this are not served (RFC 9110, section 17.15): the whole is, as for a client that cannot ask.
MOST_RANGES: Final = 64

#: Bytes between two ranges that cost less than a part of their own (RFC 9110, section 15.3.7.2).
_GAP: Final = 80

# RFC 9110, section 14.1.1. Clients send numbers beyond any file for its end, but none that int() would refuse.
_RANGE: Final = re.compile(r"([0-9]{1,1000})-([0-9]{0,1000})|-([0-9]{1,1000})", re.ASCII)
_UNIT: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=", re.ASCII)


class RangeNotSatisfiableError(ValueError):
    """The ranges are malformed, or none of them has a byte of the representation."""


def select_ranges(value: str, size: int) -> list[ByteRange] | None:
    """The bytes that a Range header asks for, none of them twice.

    Ranges that overlap, or lie closer together than what a part of their own would cost, become one. They come in the
    order in which they were asked for (RFC 9110, section 15.3.7.2).

    Args:
        value: the header's value.
        size: of the representation in bytes.

    Returns:
        At least one range; None where the whole is to be sent: for another unit than bytes, and for more than
        `MOST_RANGES`.

    Raises:
        RangeNotSatisfiableError: to be answered with a 416.
    """
    unit = _UNIT.match(value)
    if unit is None:
        raise RangeNotSatisfiableError("no range")
    if unit[1].lower() != "bytes":
        return None
    wanted: list[ByteRange] = []
    position = unit.end()
    # Elements of a list may be empty (RFC 9110, section 5.6.1.2): they count as well.
    if value.count(",", position) >= MOST_RANGES:
        return None
    count = 0
    for item in value[position:].split(","):
        text = item.strip(" \t")
        if not text:
            continue
        count += 1
        selected = _select(text, size)
        if selected is not None:
            wanted.append(selected)
    if not count or not wanted:
        raise RangeNotSatisfiableError("no byte is in the range")
    return wanted if len(wanted) == 1 else _coalesce(wanted)


def _select(text: str, size: int) -> ByteRange | None:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise RangeNotSatisfiableError("malformed range")
    first, last, suffix = found.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        return (size - length, size) if length else None
    start = int(first)
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        raise RangeNotSatisfiableError("the range ends before it begins")
    return (start, stop) if start < size else None


def _coalesce(wanted: list[ByteRange]) -> list[ByteRange]:
    merged: list[tuple[int, int, int]] = []
    for place, (start, stop) in sorted(enumerate(wanted), key=lambda item: item[1]):
        if merged and start - merged[-1][2] <= _GAP:
            first_place, first, end = merged[-1]
            merged[-1] = (min(first_place, place), first, max(end, stop))
        else:
            merged.append((place, start, stop))
    return [(start, stop) for _, start, stop in sorted(merged)]


def content_range(selected: ByteRange, size: int) -> str:
    """A Content-Range header's value (RFC 9110, section 14.4)."""
    start, stop = selected
    return f"bytes {start}-{stop - 1}/{size}"


def multipart_ranges(
    ranges: list[ByteRange], size: int, *, content_type: str, boundary: str
) -> tuple[list[bytes], int]:
    """What is around the parts of ``multipart/byteranges`` (RFC 9110, section 14.6).

    Returns:
        What comes before each range, with what comes after the last at the end; and the length of it all in bytes,
        the ranges included.
    """
    between = []
    length = 0
    line_end = ""
    for selected in ranges:
        head = f"{line_end}--{boundary}\r\nContent-Type: {content_type}\r\n"
        head += f"Content-Range: {content_range(selected, size)}\r\n\r\n"
        between.append(head.encode("utf-8", "surrogateescape"))
        length += len(between[-1]) + selected[1] - selected[0]
        line_end = "\r\n"
    between.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return between, length + len(between[-1])
