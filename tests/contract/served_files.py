"""What the tests of files share: files with a known time of modification, and the answer to a request for one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.contract.asking import ask
from tests.contract.backends import Backend

#: The modification of files made here, in seconds since the epoch, and as a header says it.
MODIFIED = 1_700_000_000
AT_MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"

CONTENT = b"0123456789"
#: The entity tag of a file of that content and modification.
ETAG = '"17979cfe362a0000-a"'


def make_file(path: Path, content: bytes = CONTENT, nanoseconds: int = MODIFIED * 10**9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return path


async def ask_file(
    backend: Backend,
    path: Any,
    method: str = "GET",
    request_headers: Mapping[str, str | bytes] | None = None,
    change: Callable[[Any], Any] | None = None,
    **options: Any,
) -> httpx.Response:
    """The answer of a handler that returns `FileResponse(path, **options)`, after `change(response)`."""

    async def handler(request: Any) -> Any:
        response = backend.web.FileResponse(path, **options)
        if change is not None:
            change(response)
        return response

    # Without Accept-Encoding of httpx's own, so that a test that names none sends none.
    return await ask(backend, handler, method, headers={"Accept-Encoding": "", **(request_headers or {})})


@contextlib.asynccontextmanager
async def folder(
    backend: Backend, directory: Path, prefix: str = "/static", **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with nothing but the files of `directory`."""
    app = backend.web.Application()
    app.router.add_static(prefix, directory, **options)
    async with backend.client(app) as client:
        yield client
