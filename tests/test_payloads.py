"""Bodies that are more than bytes, and the headers they bring."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from framework.payloads import Payload, as_payload


async def content(payload: bytes | Payload) -> bytes:
    if isinstance(payload, Payload):
        return b"".join([piece async for piece in payload])
    return payload


@pytest.mark.parametrize(
    ("body", "data", "content_type"),
    [
        ("ü", "ü".encode(), "text/plain; charset=utf-8"),
        (memoryview(b"a"), b"a", "application/octet-stream"),
        (io.BytesIO(b"a"), b"a", "application/octet-stream"),
        (io.StringIO("ü"), "ü".encode(), "text/plain; charset=utf-8"),
    ],
)
async def test_bodies_in_memory(body: Any, data: bytes, content_type: str) -> None:
    payload, headers = as_payload(body)
    assert payload == data
    assert headers == {"Content-Type": content_type}


async def test_a_file_brings_its_name_type_and_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"x" * 100_000)
    with path.open("rb") as file:
        file.seek(10)
        payload, headers = as_payload(file)
        assert isinstance(payload, Payload)
        assert payload.size == 99_990
        assert headers == {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="picture.png"'}
        assert await content(payload) == b"x" * 99_990
        await payload.close()
        assert file.closed


async def test_a_text_file_is_sent_in_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ü", encoding="latin-1")
    with path.open(encoding="latin-1") as file:
        payload, headers = as_payload(file)
        assert headers["Content-Type"] in ("text/plain; charset=iso-8859-1", "text/plain; charset=latin-1")
        assert await content(payload) == b"\xfc"


@pytest.mark.parametrize("name", ['a"b', "a\\b", "ü", "a\r\nSet-Cookie: x=y", "a\n"])
async def test_s08_file_names_cannot_inject(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    with path.open("rb") as file:
        disposition = as_payload(file)[1]["Content-Disposition"]
    assert disposition.startswith("attachment; filename*=utf-8''")
    assert disposition.isascii()
    assert disposition.isprintable()
    assert '"' not in disposition


async def test_a_file_without_a_name_brings_none() -> None:
    with tempfile.TemporaryFile() as file:
        assert "Content-Disposition" not in as_payload(file)[1]


async def test_an_iterable_is_closed() -> None:
    closed = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    payload, headers = as_payload(pieces())
    assert isinstance(payload, Payload)
    assert payload.size is None
    async for _ in payload:
        break
    await payload.close()
    assert closed == [True]
    assert headers == {"Content-Type": "application/octet-stream"}


@pytest.mark.parametrize("body", [1, object(), ["a"], {"a": 1}, None])
def test_what_is_no_body(body: Any) -> None:
    with pytest.raises(ValueError, match="give bytes, str, a file or an asynchronous iterable"):
        as_payload(body)
