"""What is not shown of a request and of a program, even in debug mode: pages are photographed and pasted.

Names decide, because nothing else is known: a header, a parameter or a variable whose name speaks of a secret is shown
as `MASK`, and so is the password of a URL. Any other secret under another name, or inside the message of an exception,
is shown.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

__all__ = ("MASK", "is_secret", "mask_header", "mask_query", "mask_urls")

#: What is shown in place of a secret; as long for each, since the length tells something.
MASK: Final = "••••••"

_SECRET: Final = re.compile(
    "api_?key|auth(?!or(?!iz))|cookie|credential|csrf|encryption|jwt|otp$|pass|pwd|secret|session|signature|signing"
    "|token|xsrf|^key$|^pin$|^pw$"
)

#: Authentication schemes (RFC 9110, section 11.1) may be shown: they tell why a client is not who it says it is.
_SCHEME: Final = re.compile(r"(basic|bearer|digest|hoba|mutual|negotiate|scram-sha-\d+|token) ", re.IGNORECASE)

#: What stands around the parameters of a query, also of one in the middle of a text.
_SEPARATOR: Final = re.compile(r"([?&;#\s])")

#: The password of a URL (RFC 3986, section 3.2.1), up to the last at-sign: not everybody encodes those in a password.
_URL_PASSWORD: Final = re.compile(r"(://[^\s/?#:@]*:)[^\s/?#]+@")


def is_secret(name: str) -> bool:
    """Whether what is called ``name`` is better not shown."""
    return _SECRET.search(name.lower().replace("-", "_")) is not None


def mask_header(name: str, value: str) -> str:
    """The value of a header as it may be shown."""
    name = name.lower()
    if name == "cookie":
        return "; ".join(_mask_cookie(pair) for pair in value.split(";"))
    if is_secret(name):
        scheme = _SCHEME.match(value)
        return f"{scheme[1]} {MASK}" if scheme else MASK
    # Referer, and what proxies add, hold URLs.
    return mask_urls(mask_query(value))


def mask_query(text: str) -> str:
    """``text``, which may be or hold a query string, with the values of its secret parameters masked."""
    return "".join(_mask_parameter(part) for part in _SEPARATOR.split(text)) if "=" in text else text


def mask_urls(text: str) -> str:
    """``text`` with the passwords of URLs in it masked, as of ``postgres://user:password@host/``."""
    return _URL_PASSWORD.sub(rf"\1{MASK}@", text) if "://" in text else text


def _mask_parameter(part: str) -> str:
    name, _, value = part.partition("=")
    return f"{name}={MASK}" if value and is_secret(unquote_plus(name)) else part


def _mask_cookie(pair: str) -> str:
    name, equals, _ = pair.strip().partition("=")
    return f"{name}={MASK}" if equals else MASK
