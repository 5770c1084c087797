"""Cookies (RFC 6265): what a client sends, read as leniently as browsers write it, and what a program sets.

A Cookie header has no attributes: every pair is a cookie, also one named ``path`` or ``$Version``.
"""

from __future__ import annotations

import re
from collections.abc import Container
from http.cookies import Morsel, SimpleCookie
from typing import Any, Final

from framework import hdrs
from framework.sansio.headers import check_header_value

__all__ = (
    "cookie_header_values",
    "del_cookie",
    "parse_cookie_header",
    "set_cookie",
    "set_cookie_headers",
)

# Visible ASCII without the separators " , ; = \ – wider than RFC 6265's token, as servers and browsers are.
_NAME_CHARACTERS: Final = r"!#-+\--:<>-\[\]-~"
_VALUE_CHARACTERS: Final = r"!#-:<-\[\]-~"
_NAME: Final = re.compile(rf"[{_NAME_CHARACTERS}]+")

# What nearly all clients send: takes one pass, and split() does the rest.
_PLAIN: Final = re.compile(
    rf"[{_NAME_CHARACTERS}]+=[{_VALUE_CHARACTERS}]*(?:; [{_NAME_CHARACTERS}]+=[{_VALUE_CHARACTERS}]*)*"
)

_SPACE: Final = re.compile(r"[ \t\n\r\f\v]*")
# A comma may stand in a name as far as finding its end goes; the cookie is then dropped.
_WORD: Final = re.compile(rf"[{_NAME_CHARACTERS},]+")
_EQUALS: Final = re.compile(r"[ \t\n\r\f\v]*=")
_QUOTED: Final = re.compile(r'"(?:[^\\"]|\\.)*"')
_UNCLOSED: Final = re.compile(r'"[^";]*')
_DATE: Final = re.compile(
    r"(?:\w{3,6}day|\w{3}),\s[\w\s-]{9,11}\s[\d:]{8}\s(?:GMT|[+-]\d{4})"
    r"|\w{3}\s{1,8}\w{3}\s{1,8}[\s\d]\d\s{1,8}\d{2}:\d{2}:\d{2}\s{1,8}\d{4}",
    re.ASCII,
)
_BARE: Final = re.compile(rf"[{_VALUE_CHARACTERS}]*")
_ESCAPE: Final = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def parse_cookie_header(value: str) -> dict[str, str]:
    """The cookies of a Cookie header. Of two with the same name the later one counts (as aiohttp).

    Pairs without a name, or with one that no client could have been given, are dropped; so nothing can pose as a
    ``__Host-`` cookie by having no name (CVE-2023-23934).

    Args:
        value: the header's value.
    """
    if _PLAIN.fullmatch(value) is not None:
        return dict([pair.split("=", 1) for pair in value.split("; ")])
    cookies: dict[str, str] = {}
    position = 0
    while position < len(value):
        name, text, position = _next_pair(value, position)
        if name is not None and _NAME.fullmatch(name) is not None:
            cookies[name] = _unquote(text)
    return cookies


def _next_pair(value: str, position: int) -> tuple[str | None, str, int]:
    """The next name and value, and where the one after them starts."""
    start = _end(_SPACE, value, position)
    name = _WORD.match(value, start)
    if name is not None:
        equals = _EQUALS.match(value, name.end())
        if equals is not None:
            after = _end(_SPACE, value, equals.end())
            for end in _value_ends(value, after):
                if (following := _separator_end(value, end)) is not None:
                    return name[0], value[after:end], following
            if after > equals.end():
                # Something that is no value behind whitespace: the value ended before it.
                return name[0], "", after
        following = _separator_end(value, name.end())
        if following is not None:
            return name[0], "", following
    # Anything else is a pair as far as the next semicolon, if it has an equals sign.
    end = value.find(";", position)
    if end < 0:
        end = len(value)
    raw_name, has_value, text = value[position:end].partition("=")
    return (raw_name.strip() if has_value else None), text.strip(), end + 1


def _value_ends(value: str, position: int) -> list[int]:
    """Where a value that starts at ``position`` may end, in the order of preference."""
    ends = []
    if value.startswith('"', position):
        quoted = _QUOTED.match(value, position)
        if quoted is not None:
            ends.append(quoted.end())
        # An opening quote that nothing closes is part of the value, which ends at a semicolon or before whitespace.
        end = _end(_UNCLOSED, value, position)
        ends.append(end)
        run = value[position:end]
        shorter = max(map(run.rfind, " \t\n\r\f\v"))
        if shorter > 0:
            ends.append(position + shorter)
        return ends
    date = _DATE.match(value, position)
    if date is not None:
        ends.append(date.end())
    ends.append(_end(_BARE, value, position))
    return ends


def _separator_end(value: str, position: int) -> int | None:
    """The end of the whitespace or semicolon at ``position``, None if there is neither nor the end of the header."""
    end = _end(_SPACE, value, position)
    if end == len(value):
        return end
    if value[end] == ";":
        return end + 1
    return end if end > position else None


def _end(pattern: re.Pattern[str], value: str, position: int) -> int:
    found = pattern.match(value, position)
    return position if found is None else found.end()


def _unquote(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(found: re.Match[str]) -> str:
    octal, character = found.groups()
    return chr(int(octal, 8)) if octal else character


_EPOCH: Final = "Thu, 01 Jan 1970 00:00:00 GMT"
# RFC 6265, section 4.1.1: what would end the attribute and begin another, or end the header.
_FORBIDDEN_IN_ATTRIBUTE: Final = re.compile("[\x00-\x1f\x7f;]")
_FORBIDDEN_IN_DOMAIN: Final = re.compile("[\x00-\x20\x7f;,]")
_BEFORE_PARTITIONED: Final = ["comment", "domain", "expires", "httponly", "max-age"]


class PartitionedMorsel(Morsel[str]):
    """A morsel that knows the Partitioned attribute, which the standard library's does from Python 3.14 on."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key.lower() == "partitioned":
            dict.__setitem__(self, "partitioned", value)
        else:
            super().__setitem__(key, value)

    def isReservedKey(self, K: str) -> bool:  # noqa: N802, N803
        """Whether ``K`` names an attribute."""
        return K.lower() == "partitioned" or super().isReservedKey(K)

    def copy(self) -> PartitionedMorsel:
        """A copy of the same class."""
        morsel = PartitionedMorsel()
        morsel.set(self.key, self.value, self.coded_value)
        dict.update(morsel, self)
        return morsel

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802
        """The value of the Set-Cookie header, attributes in alphabetical order."""
        text = super().OutputString(attrs)
        if self.get("partitioned") and (attrs is None or "partitioned" in attrs) and "; Partitioned" not in text:
            before = len(super().OutputString(_BEFORE_PARTITIONED))
            text = f"{text[:before]}; Partitioned{text[before:]}"
        return text


def set_cookie(
    jar: SimpleCookie,
    name: str,
    value: str,
    *,
    expires: str | None = None,
    domain: str | None = None,
    max_age: int | str | None = None,
    path: str | None = "/",
    secure: bool | None = None,
    httponly: bool | None = None,
    version: str | None = None,
    samesite: str | None = None,
    partitioned: bool | None = None,
) -> None:
    """Set a cookie of a response (RFC 6265, section 4.1). Attributes that are None stay as an earlier call set them.

    Args:
        jar: the response's cookies.
        name: a token.
        value: any text; quoted where it has to be.
        expires: an HTTP date.
        domain: the host, its subdomains included, that gets the cookie.
        max_age: seconds to live.
        path: where the cookie is sent to.
        secure: only over TLS.
        httponly: hidden from scripts.
        version: obsolete.
        samesite: ``Strict``, ``Lax`` or ``None``.
        partitioned: kept apart for each top-level site; also on a Python whose `http.cookies` does not know it.

    Raises:
        http.cookies.CookieError: the name is no token, or the name of an attribute.
        ValueError: an attribute has a control character or a semicolon.
    """
    _check_attribute("domain", domain, _FORBIDDEN_IN_DOMAIN)
    for attribute, text in (
        ("path", path),
        ("expires", expires),
        ("max_age", max_age),
        ("version", version),
        ("samesite", samesite),
    ):
        _check_attribute(attribute, text, _FORBIDDEN_IN_ATTRIBUTE)

    old = jar.get(name)
    morsel = PartitionedMorsel()
    morsel.set(name, *jar.value_encode(value))
    if old is not None:
        dict.update(morsel, old)
        if expires is None and old["expires"] == _EPOCH:
            morsel["expires"] = ""
    jar[name] = morsel
    if expires is not None:
        morsel["expires"] = expires
    if domain is not None:
        morsel["domain"] = domain
    morsel["max-age"] = "" if max_age is None else str(max_age)
    morsel["path"] = path or ""
    if secure is not None:
        morsel["secure"] = secure
    if httponly is not None:
        morsel["httponly"] = httponly
    if version is not None:
        morsel["version"] = version
    if samesite is not None:
        morsel["samesite"] = samesite
    if partitioned is not None:
        morsel["partitioned"] = partitioned


def del_cookie(
    jar: SimpleCookie,
    name: str,
    *,
    domain: str | None = None,
    path: str = "/",
    secure: bool | None = None,
    httponly: bool | None = None,
    samesite: str | None = None,
) -> None:
    """Tell the client to forget a cookie; ``domain`` and ``path`` must be those that it was set with.

    Raises:
        http.cookies.CookieError: the name is no token, or the name of an attribute.
        ValueError: an attribute has a control character or a semicolon.
    """
    jar.pop(name, None)
    set_cookie(
        jar,
        name,
        "",
        max_age=0,
        expires=_EPOCH,
        domain=domain,
        path=path,
        secure=secure,
        httponly=httponly,
        samesite=samesite,
    )


def cookie_header_values(jar: SimpleCookie) -> list[str]:
    """The value of each Set-Cookie header.

    Raises:
        ValueError: an attribute that was set on the jar itself would end the header.
    """
    values = []
    for morsel in jar.values():
        value = morsel.OutputString()
        check_header_value(hdrs.SET_COOKIE, value)
        values.append(value)
    return values


def _check_attribute(name: str, value: object, forbidden: re.Pattern[str]) -> None:
    if value is not None and (found := forbidden.search(str(value))) is not None:
        raise ValueError(f"The cookie attribute {name} must not contain {found[0]!r}")


def set_cookie_headers(cookies: SimpleCookie) -> list[tuple[bytes, bytes]]:
    """The Set-Cookie headers of ``cookies`` as an ASGI message carries them. Raises as `cookie_header_values`."""
    return [(b"set-cookie", value.encode("utf-8", "surrogateescape")) for value in cookie_header_values(cookies)]
