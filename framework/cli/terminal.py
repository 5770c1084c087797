"""What a stream of text can show: colours where it is a terminal, and how wide that is."""

from __future__ import annotations

import os
import shutil
from typing import IO

__all__ = ["Terminal"]

# ECMA-48, "Select Graphic Rendition": only the first eight colours, which every theme makes readable.
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Terminal:
    """A text stream, and how to write to it.

    Args:
        stream: where the text goes; `sys.stdout` or `sys.stderr`.
    """

    def __init__(self, stream: IO[str]) -> None:
        #: Whether text is coloured. By NO_COLOR (no-color.org) and FORCE_COLOR (force-color.org), both of which count
        #: unless they are empty, else on a terminal that is not dumb.
        self.has_colour = _has_colour(stream)
        #: Columns of a terminal; None for a file or a pipe, whose lines may be as long as they are.
        self.width = shutil.get_terminal_size().columns if stream.isatty() else None

    def paint(self, text: str, *styles: str) -> str:
        """``text`` in ``styles``: "bold", "dim", or a colour."""
        if not self.has_colour or not text or not styles:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def _has_colour(stream: IO[str]) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
