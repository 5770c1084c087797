r"""File names that come from outside: what a URL's path may name below a folder.

Everything is decided on the text, before the file system is asked, so that what lies outside the folder can make no
difference to the answer. ``..`` is taken away from the text as RFC 3986, section 5.2.4, has it; the file system's own
``..``, which goes to the parent of a symbolic link's target, is never asked.
"""

from __future__ import annotations

import os
import re

__all__ = ("ON_WINDOWS", "split_file_name")

ON_WINDOWS = os.name == "nt"

# What Windows lets no file be called, or reads in a way of its own: the backslash separates, the colon ends a drive
# letter or begins an alternate data stream, trailing dots and spaces are dropped.
_WINDOWS_SPECIAL = re.compile(r'[\x00-\x1f"*:<>?\\|]|[. ]\Z')

# The names of devices, in every folder and with any suffix, in any case. The superscript digits count as digits.
_WINDOWS_DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{device}{digit}" for device in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"]
)


def split_file_name(name: str, *, windows: bool = ON_WINDOWS) -> list[str] | None:
    """The segments of a decoded, relative path, or None where it can name nothing below a folder.

    Args:
        name: the path, separated by slashes. Empty segments and ``.`` are left out; ``..`` takes the segment before it
            away.
        windows: refuse what Windows would not take for an ordinary name: drive letters, UNC paths, streams, devices,
            names that end in a dot or a space.

    Returns:
        None for a path that is absolute, has a NUL, or leaves the folder at any point, even if it comes back.
    """
    if "\0" in name or name.startswith("/"):
        return None
    segments: list[str] = []
    for segment in name.split("/"):
        if segment == "..":
            if not segments:
                return None
            segments.pop()
        elif segment and segment != ".":
            if windows and _is_special_on_windows(segment):
                return None
            segments.append(segment)
    return segments


def _is_special_on_windows(segment: str) -> bool:
    if _WINDOWS_SPECIAL.search(segment):
        return True
    # A device is one with spaces before its suffix too: "NUL .txt".
    return segment.partition(".")[0].rstrip(" ").upper() in _WINDOWS_DEVICES
