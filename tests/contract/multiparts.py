"""Multipart bodies written by hand, and what a handler finds in them."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from tests.contract.asking import observe
from tests.contract.backends import Backend

#: The head of a part that is an ordinary field.
FIELD = 'Content-Disposition: form-data; name="a"'
#: The head of a part that is a file.
FILE = 'Content-Disposition: form-data; name="a"; filename="f.txt"'

FORM_DATA = {"Content-Type": "multipart/form-data; boundary=b"}
MIXED = {"Content-Type": "multipart/mixed; boundary=b"}

Look = Callable[[Any], Any]


class Upload(NamedTuple):
    """A `FileField` and what was in its file."""

    filename: str
    content_type: str
    content: bytes


def part(content: bytes, *head: str) -> bytes:
    """A part whose head has these lines, without the boundary in front."""
    return b"".join(line.encode() + b"\r\n" for line in head) + b"\r\n" + content


def multipart(*parts: bytes, boundary: bytes = b"b") -> bytes:
    """A body of these parts."""
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def field(content: bytes, *head: str, name: str = "a") -> bytes:
    """A part that is the field `name`, with more lines of `head`."""
    return part(content, f'Content-Disposition: form-data; name="{name}"', *head)


async def submit(backend: Backend, look: Look, content: Any, method: str = "POST", **options: Any) -> Any:
    """What `look` sees of a request with the multipart body `content`, by default a form."""
    options.setdefault("headers", FORM_DATA)
    return await observe(backend, look, method, content=content, **options)


async def form_items(request: Any) -> list[tuple[str, Any]]:
    """The items of `request.post()`, with an `Upload` for each file."""
    return [(name, keep(value)) for name, value in (await request.post()).items()]


def keep(value: Any) -> Any:
    """`value`, or the `Upload` of a `FileField`, whose file is closed."""
    if isinstance(value, str | bytes | bytearray):
        return value
    with value.file:
        return Upload(value.filename, value.content_type, value.file.read())


async def parts_of(request: Any) -> list[tuple[str | None, str | None, bytes]]:
    """Name, file name and content of each part of `request.multipart()`."""
    reader = await request.multipart()
    return [(part.name, part.filename, await part.read()) async for part in reader]


def first_part(look: Callable[[Any], Awaitable[Any]]) -> Look:
    """A look at the first part of a body."""

    async def look_at_request(request: Any) -> Any:
        reader = await request.multipart()
        return await look(await reader.next())

    return look_at_request


def refusal(backend: Backend) -> Any:
    """What a body is refused with whose parts have malformed headers.

    aiohttp raises an exception of its HTTP parser, a part that is malformed otherwise is a ValueError.
    """
    return pytest.raises(BadHttpMessage if backend.name == "aiohttp" else ValueError)


@pytest.fixture
def unclosed_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a test of a form that is refused behind a file, which aiohttp then leaves open.

    With this package an open file fails the test. A test module takes the fixture by naming it:
    `unclosed_files = multiparts.unclosed_files`.
    """
    backend = request.getfixturevalue("backend" if "backend" in request.fixturenames else "socket_backend")
    with warnings.catch_warnings():
        if backend.name == "aiohttp":
            warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


async def in_pieces(content: bytes, size: int = 1) -> AsyncIterator[bytes]:
    """`content` in pieces of `size` bytes, each a chunk of the transfer coding or a message of its own."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
