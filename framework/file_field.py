"""`FileField`: an uploaded file among the fields of a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from multidict import CIMultiDictProxy

__all__ = ("FileField",)


@dataclass(frozen=True, slots=True)
class FileField:
    """An uploaded file among the fields of a form: ``isinstance(field, web.FileField)`` tells it from a text.

    ``file`` is open for reading and writing, and stands at its start. It is closed when the request has been answered:
    what is needed longer has to be read or copied before. Small files are in memory and have no ``fileno()``.
    """

    name: str
    #: As the client calls it, perhaps with directories; see `safe_filename`.
    filename: str
    file: IO[bytes]
    content_type: str
    headers: CIMultiDictProxy[str]

    @property
    def safe_filename(self) -> str:
        """``filename`` as a name for a file in a folder of yours: without directories, device names and the like."""
        # Imported when somebody asks: expressions are compiled for it.
        from framework.sansio.disposition import safe_filename

        return safe_filename(self.filename)
