from __future__ import annotations

import pytest

from framework.sansio.text import decode_text


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", "utf-16", "latin-1", "cp1252", "koi8-u", "gb18030"])
def test_a_charset(charset: str) -> None:
    assert decode_text("abc".encode(charset), charset) == "abc"


@pytest.mark.parametrize("charset", ["", "nope", "hex", "zlib", "a\x00b", "é", "x" * 10_000, "../codecs"])
def test_s36_a_charset_that_does_not_exist(charset: str) -> None:
    with pytest.raises(LookupError):
        decode_text(b"abc", charset)


@pytest.mark.parametrize("charset", ["punycode", "IDNA", "unicode_escape", "raw-unicode-escape", "undefined"])
def test_s16_codecs_that_no_client_may_ask_for(charset: str) -> None:
    """Punycode takes quadratic time, the escapes are Python's own, and the last one only raises."""
    with pytest.raises(LookupError):
        decode_text(b"abc", charset)


def test_octets_that_are_not_in_the_charset() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(b"\xff", "utf-8")
