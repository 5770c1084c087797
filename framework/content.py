"""What Content-Type and Content-Length say, for requests and responses alike."""

from __future__ import annotations

from collections.abc import Mapping

from framework import hdrs
from framework.sansio.headers import parse_content_type

__all__ = ("HeadersMixin",)


class HeadersMixin:
    """The properties that requests and responses read from their ``headers``."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, their names compared without regard to case."""
        raise NotImplementedError

    @property
    def content_type(self) -> str:
        """The media type without parameters, ``application/octet-stream`` where none is given."""
        return parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))[0]

    @property
    def charset(self) -> str | None:
        """The charset parameter of the content type."""
        return parse_content_type(self.headers.get(hdrs.CONTENT_TYPE, ""))[1].get("charset")

    @property
    def content_length(self) -> int | None:
        """The Content-Length in bytes, None where there is none."""
        value = self.headers.get(hdrs.CONTENT_LENGTH)
        return None if value is None else int(value)
