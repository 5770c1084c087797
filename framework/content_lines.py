"""Ready-made ``Content-Type`` headers, so that a response need not make its own."""

from __future__ import annotations

from typing import Final

from framework import hdrs
from framework.sansio.headers import HeaderMap, encode_headers

__all__ = ("BINARY", "JSON", "TEXT", "ContentLine", "body_line", "check_content_type", "text_line")


class ContentLine:
    """A ``Content-Type`` in the forms in which it is needed: parsed, as text and as a raw header."""

    __slots__ = ("charset", "content_type", "raw", "value")

    def __init__(self, content_type: str, charset: str | None) -> None:
        self.content_type = content_type
        self.charset = charset
        self.value = content_type if charset is None else f"{content_type}; charset={charset}"
        self.raw = (b"content-type", encode_headers(HeaderMap({hdrs.CONTENT_TYPE: self.value}))[0][1])


TEXT: Final = ContentLine("text/plain", "utf-8")
JSON: Final = ContentLine("application/json", "utf-8")
_HTML: Final = ContentLine("text/html", "utf-8")
BINARY: Final = ContentLine("application/octet-stream", None)

#: Ready-made lines, for texts and for bytes. Filled with what programs use, not with what clients send, and bounded.
_TEXT_LINES: Final[dict[tuple[str | None, str | None], ContentLine]] = {
    (None, None): TEXT,
    ("application/json", None): JSON,
    ("text/html", None): _HTML,
}
_BODY_LINES: Final[dict[tuple[str, str | None], ContentLine]] = {
    ("application/json", "utf-8"): JSON,
    ("text/html", "utf-8"): _HTML,
}
_MAX_LINES: Final = 256


def text_line(content_type: str | None, charset: str | None) -> ContentLine:
    line = _TEXT_LINES.get((content_type, charset))
    if line is None:
        check_content_type(content_type)
        line = ContentLine(content_type or "text/plain", charset or "utf-8")
        if len(_TEXT_LINES) < _MAX_LINES:
            _TEXT_LINES[content_type, charset] = line
    return line


def body_line(content_type: str, charset: str | None) -> ContentLine:
    line = _BODY_LINES.get((content_type, charset))
    if line is None:
        check_content_type(content_type)
        line = ContentLine(content_type, charset)
        if len(_BODY_LINES) < _MAX_LINES:
            _BODY_LINES[content_type, charset] = line
    return line


def check_content_type(content_type: str | None) -> None:
    """Refuse a charset in a content type: there is a parameter for it, as in aiohttp."""
    if content_type is not None and "charset" in content_type:
        raise ValueError("charset must not be in content_type argument")
