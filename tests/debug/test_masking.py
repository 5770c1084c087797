"""Which names speak of a secret, and what is left of a header."""

from __future__ import annotations

import pytest

from framework.debug.masking import MASK, is_secret, mask_header, mask_query, mask_urls


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-CSRF-Token",
        "password", "passwd", "db_pass", "pw", "secret_key", "client_secret", "access_token", "oauth", "session_id",
        "apikey", "jwt", "credentials", "signature", "otp", "pin", "key",
    ],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "authority", "name", "keys", "keyboard", "page", "Host", "spinner", "Accept"]
)
def test_other_names(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer abc.def", f"Bearer {MASK}"),
        ("authorization", "basic abc", f"basic {MASK}"),
        ("Authorization", "abc def", MASK),
        ("Cookie", "a=1; session=abc;b", f"a={MASK}; session={MASK}; {MASK}"),
        ("X-Api-Key", "abc", MASK),
        ("Referer", "http://a/b?page=1&token=abc#c", f"http://a/b?page=1&token={MASK}#c"),
        ("Referer", "https://me:abc@a/b", f"https://me:{MASK}@a/b"),
        ("Accept", "text/html;q=0.9", "text/html;q=0.9"),
        ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
    ],
)
def test_headers(name: str, value: str, shown: str) -> None:
    assert mask_header(name, value) == shown


def test_a_query() -> None:
    assert mask_query("a=1&pass=2&%74oken=3&token&token=&b") == f"a=1&pass={MASK}&%74oken={MASK}&token&token=&b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:abc@db/1 redis://:abc@db", f"postgres://me:{MASK}@db/1 redis://:{MASK}@db"),
        ("amqp://me:a@b:c@db", f"amqp://me:{MASK}@db"),
        ("http://db:5432/a@b http://me@db/ a:b@c", "http://db:5432/a@b http://me@db/ a:b@c"),
    ],
)
def test_passwords_of_urls(text: str, shown: str) -> None:
    assert mask_urls(text) == shown


def test_s16_masking_is_linear() -> None:
    for value in ("a" * 1_000_000, "a=" * 500_000, "?" * 1_000_000, "=" * 1_000_000):
        mask_query(value)
    for value in ("://" * 300_000, "://:" * 250_000, "://a" + ":" * 1_000_000, "://:" + "@" * 1_000_000):
        mask_urls(value)
    for value in ("a" * 1_000_000, "=" * 1_000_000):
        mask_header("Cookie", value)
