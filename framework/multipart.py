"""``multipart/form-data``: as yet the type of an uploaded file, which handlers of forms compare fields with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from multidict import CIMultiDictProxy

__all__ = ("FileField",)


@dataclass(frozen=True, slots=True)
class FileField:
    """An uploaded file among the fields of a form: ``isinstance(field, web.FileField)`` tells it from a text.

    Forms that can carry files are not read in this version, so that no field of a request is one yet.
    """

    name: str
    filename: str
    file: IO[bytes]
    content_type: str
    headers: CIMultiDictProxy[str]
