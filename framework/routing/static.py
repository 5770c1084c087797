"""A folder of files under a prefix: `StaticResource`, on top of `FileResponse`.

What a path may name is decided in three steps, each by itself enough to keep a request inside the folder: the router
matches no path that leads out of the prefix, `split_file_name` takes ``..`` and all that is special away from the text,
and no symbolic link is followed out of the folder unless that is asked for. What lies outside is never looked at, so
that it makes no difference to the answer whether it is there.
"""

# ruff: noqa: PTH112, PTH116, PTH118, PTH123
# Paths are strings here: pathlib's objects cost more than what is asked of the file system with them.

from __future__ import annotations

import asyncio
import errno
import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes

from yarl import URL

from framework import hdrs
from framework.exceptions import HTTPForbidden, HTTPNotFound, HTTPTemporaryRedirect
from framework.files import FileResponse
from framework.opened_files import SpecialFileError, open_file
from framework.responses import Response
from framework.routing.match_info import UrlMappingMatchInfo
from framework.routing.resources import PrefixResource, Resolution, path_to_match
from framework.routing.routes import AbstractRoute, ExpectHandler, ResourceRoute
from framework.routing.templates import quote_path
from framework.sansio.file_names import ON_WINDOWS, split_file_name
from framework.sansio.headers import HeaderMap
from framework.sansio.paths import unquote_path_safe

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.stream_responses import StreamResponse
    from framework.typedefs import Handler, PathLike

__all__ = ("CacheControl", "StaticResource")

#: A Cache-Control value for all files, or what gives one (or None) for a file's path below the folder.
CacheControl = str | Callable[[str], str | None]

#: What the file system says of names that nothing can have, besides "not found".
_NO_SUCH_FILE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ}
)

#: What may stand in a query as it is; the rest, which no client should have sent as it is, ends up encoded.
_QUERY_SAFE: Final = "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

#: How many hashes are remembered, and for how many seconds after a change a file may change again unnoticed: the
#: coarsest time stamps, those of FAT, tell two seconds apart.
_MOST_VERSIONS: Final = 1024
_SETTLED: Final = 2.0


class StaticResource(PrefixResource):
    """The files of a folder.

    Args:
        prefix: where in the URL the folder is, without a slash at the end; empty or ``/`` for the root.
        directory: the folder; ``~`` is expanded.
        name: for `url_for` by ``app.router[name]``.
        expect_handler: answers ``Expect: 100-continue``.
        chunk_size: bytes that are read at once.
        show_index: answer the path of a directory with a list of its files instead of a 403.
        follow_symlinks: follow symbolic links out of the folder. Links to something inside it are always followed.
        append_version: whether `url_for` adds a hash of the file, so that a changed file has another URL.
        cache_control: the Cache-Control of the files, for instance ``"public, max-age=3600"``; or a function that is
            given a file's path below the folder (``"css/site.css"``) and gives one or None. It is called in a thread.
        html: serve a web site. The path of a directory is answered with its ``index.html``, after a redirect to the
            path with a slash at the end, and a 404 with the folder's ``404.html``, where there are such files.
        fallback: serve a single-page application: the file, as its path below the folder (``"index.html"``), to
            answer paths with that name no file, from clients that accept ``text/html``, unless the path's last
            segment has a suffix: a missing ``app.js`` stays a 404.

    Raises:
        ValueError: there is no such directory, or the prefix, ``chunk_size``, ``cache_control`` or ``fallback`` is
            none.
    """

    #: The query parameter that has the hash.
    VERSION_KEY = "v"

    def __init__(
        self,
        prefix: str,
        directory: PathLike,
        *,
        name: str | None = None,
        expect_handler: ExpectHandler | None = None,
        chunk_size: int = 256 * 1024,
        show_index: bool = False,
        follow_symlinks: bool = False,
        append_version: bool = False,
        cache_control: CacheControl | None = None,
        html: bool = False,
        fallback: str | None = None,
    ) -> None:
        super().__init__("" if prefix == "/" else prefix, name=name)
        # Imported when the first folder is served.
        from pathlib import Path

        self._directory = Path(directory).expanduser().resolve()
        if not self._directory.exists():
            raise ValueError(f"'{self._directory}' does not exist")
        if not self._directory.is_dir():
            raise ValueError(f"'{self._directory}' is not a directory")
        if not (isinstance(chunk_size, int) and chunk_size > 0):
            raise ValueError(f"chunk_size must be a number of bytes above zero, got {chunk_size!r}")
        if isinstance(cache_control, str):
            HeaderMap({hdrs.CACHE_CONTROL: cache_control})
        self._fallback = None if fallback is None else split_file_name(fallback)
        if fallback is not None and not self._fallback:
            raise ValueError(f"fallback must be the path of a file below the directory, got {fallback!r}")
        # A folder at the root of the file system has a separator at its end already.
        self._root = str(self._directory).rstrip(os.sep)
        self._chunk_size = chunk_size
        self._show_index = show_index
        self._follow_symlinks = follow_symlinks
        self._append_version = append_version
        self._cache_control = cache_control
        self._html = html
        self._versions: dict[str, tuple[int, int, str]] = {}
        self._expect_handler = expect_handler
        self._routes = {
            method: ResourceRoute(method, self._handle, self, expect_handler=expect_handler)
            for method in (hdrs.METH_GET, hdrs.METH_HEAD)
        }

    # In the routing table

    def set_options_route(self, handler: Handler) -> None:
        """Answer OPTIONS by ``handler``, for CORS; RuntimeError when something answers it already."""
        if hdrs.METH_OPTIONS in self._routes:
            raise RuntimeError("OPTIONS route was set already")
        self._routes[hdrs.METH_OPTIONS] = ResourceRoute(
            hdrs.METH_OPTIONS, handler, self, expect_handler=self._expect_handler
        )

    def get_info(self) -> dict[str, Any]:
        return {"directory": self._directory, "prefix": self._prefix, "routes": self._routes}

    def file_name(self, path: str) -> str | None:
        """What a safe path has below the prefix, or None where it does not match, or leads out of the prefix again."""
        if not self.covers(path):
            return None
        if "/." in path or "//" in path:
            normal = posixpath.normpath(path)
            if normal != self._prefix and not normal.startswith(self._prefix + "/"):
                return None
        return path[len(self._prefix) + 1 :]

    async def resolve(self, request: Request) -> Resolution:
        name = self.file_name(path_to_match(request))
        if name is None:
            return None, set()
        route = self._routes.get(request.method)
        if route is None:
            return None, set(self._routes)
        return UrlMappingMatchInfo({"filename": unquote_path_safe(name)}, route), set(self._routes)

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[AbstractRoute]:
        return iter(self._routes.values())

    def __repr__(self) -> str:
        name = f"'{self.name}'" if self.name is not None else ""
        return f"<StaticResource {name} {self._prefix} -> {self._directory!r}>"

    # URLs

    def url_for(  # type: ignore[override]
        self, *, filename: PathLike, append_version: bool | None = None
    ) -> URL:
        """The URL of a file below the folder.

        ``append_version`` adds ``?v=`` and a hash of the file's content where there is such a file; None means what
        the resource was made with. The file is read when its hash is first asked for and after it has changed.
        """
        name = os.fspath(filename) if isinstance(filename, os.PathLike) else str(filename)
        if ON_WINDOWS:
            name = name.replace(os.sep, "/")
        name = name.lstrip("/")
        url = URL.build(path=self._prefix + quote_path("/" + name), encoded=True)
        if self._append_version if append_version is None else append_version:
            version = self._version(name)
            if version is not None:
                url = url.with_query({self.VERSION_KEY: version})
        return url

    def _version(self, name: str) -> str | None:
        """The hash of a file, as base64 of SHA-256; None where it would not be served."""
        segments = split_file_name(name)
        try:
            found = self._look_up(segments or [])
            if found is None or not stat.S_ISREG(found[1].st_mode):
                return None
            path, status = found
            key = (status.st_mtime_ns, status.st_size)
            known = self._versions.get(path)
            if known is not None and known[:2] == key:
                return known[2]
            # Imported when first needed: cryptography is slow to load.
            from base64 import urlsafe_b64encode
            from hashlib import file_digest

            with open(path, "rb") as file:
                version = urlsafe_b64encode(file_digest(file, "sha256").digest()).decode("ascii")
        except (OSError, ValueError):
            return None
        if time.time() - status.st_mtime > _SETTLED:
            if len(self._versions) >= _MOST_VERSIONS:
                self._versions.clear()
            self._versions[path] = (*key, version)
        return version

    # Answers

    async def _handle(self, request: Request) -> StreamResponse:
        # All that asks the file system is in one hop to a thread, the opening and the reading of a small file included.
        return await asyncio.get_running_loop().run_in_executor(
            None, self._answer, request, request.match_info["filename"]
        )

    def _answer(self, request: Request, name: str) -> StreamResponse:
        segments = split_file_name(name)
        if segments is None:
            raise HTTPNotFound
        try:
            found = self._look_up(segments)
            if found is None:
                return self._answer_missing(request, segments)
            path, status = found
            if stat.S_ISDIR(status.st_mode):
                return self._answer_directory(request, path, segments)
            if self._html and path_to_match(request).endswith("/"):
                # A page whose relative links would lead to nothing.
                return self._answer_missing(request, segments)
            return self._answer_file(request, path, status, segments)
        except (PermissionError, SpecialFileError):
            raise HTTPForbidden from None
        except OSError as exc:
            if exc.errno not in _NO_SUCH_FILE:
                raise
            # It has gone since it was looked up.
            raise HTTPNotFound from None

    def _look_up(self, segments: list[str]) -> tuple[str, os.stat_result] | None:
        """Where a file or directory is, and what; None where nothing is, or a link leads out of the folder.

        Raises PermissionError, and OSError where the file system has failed.
        """
        try:
            return self._look_up_below(segments)
        except UnicodeEncodeError:
            return None
        except OSError as exc:
            if exc.errno in _NO_SUCH_FILE:
                return None
            raise

    def _look_up_below(self, segments: list[str]) -> tuple[str, os.stat_result] | None:
        path = os.sep.join([self._root, *segments]) if segments else str(self._directory)
        if self._follow_symlinks:
            return path, os.stat(path)
        if not ON_WINDOWS:
            # PERF: the folder itself was resolved when the resource was made, and links are rare below it: 3 µs where
            # `realpath`, which asks for every part of the path from the root on, takes 10.
            step = self._root
            status = None
            for segment in segments:
                step += "/" + segment
                status = os.lstat(step)
                if stat.S_ISLNK(status.st_mode):
                    break
            else:
                return path, os.lstat(path) if status is None else status
        real = os.path.realpath(path)
        if real != str(self._directory) and not real.startswith(self._root + os.sep):
            return None
        status = os.lstat(real)
        # What is still a link leads round in a circle.
        return None if stat.S_ISLNK(status.st_mode) else (real, status)

    def _answer_file(
        self,
        request: Request,
        path: str,
        status: os.stat_result,
        segments: list[str],
        headers: dict[str, str] | None = None,
    ) -> StreamResponse:
        if not stat.S_ISREG(status.st_mode):
            raise HTTPForbidden
        cache_control = self._cache_control
        if cache_control is not None:
            value = cache_control if isinstance(cache_control, str) else cache_control("/".join(segments))
            if value is not None:
                headers = {**(headers or {}), hdrs.CACHE_CONTROL: value}
        if request.method == hdrs.METH_HEAD:
            opened = open_file(path, _joined(request, hdrs.ACCEPT_ENCODING), read_up_to=-1)
        else:
            opened = open_file(path, _joined(request, hdrs.ACCEPT_ENCODING))
        return FileResponse(path, self._chunk_size, headers=headers, opened=opened)

    def _answer_directory(self, request: Request, path: str, segments: list[str]) -> StreamResponse:
        if self._html:
            index = [*segments, "index.html"]
            found = self._look_up(index)
            if found is not None and stat.S_ISREG(found[1].st_mode):
                if not path_to_match(request).endswith("/"):
                    raise HTTPTemporaryRedirect(self._slash_location(request, segments))
                return self._answer_file(request, *found, index)
        if self._show_index:
            return Response(text=self._listing(request, path, segments), content_type="text/html")
        if self._fallback is not None:
            return self._answer_missing(request, segments, HTTPForbidden)
        raise HTTPForbidden

    def _answer_missing(
        self, request: Request, segments: list[str], refusal: type[HTTPNotFound | HTTPForbidden] = HTTPNotFound
    ) -> StreamResponse:
        headers: dict[str, str] = {}
        if self._fallback is not None and not (segments and "." in segments[-1]):
            # Whichever answer it is, another Accept might have had the other one.
            headers[hdrs.VARY] = hdrs.ACCEPT
            if _accepts_html(_joined(request, hdrs.ACCEPT)):
                found = self._look_up(self._fallback)
                if found is not None:
                    return self._answer_file(request, *found, self._fallback, headers)
        if self._html and refusal is HTTPNotFound:
            found = self._look_up(["404.html"])
            if found is not None and stat.S_ISREG(found[1].st_mode):
                with open(found[0], encoding="utf-8", errors="replace") as file:
                    raise HTTPNotFound(text=file.read(), content_type="text/html", headers=headers)
        raise refusal(headers=headers)

    def _slash_location(self, request: Request, segments: list[str]) -> URL:
        """The path of a directory with a slash at its end, and the request's query."""
        path = self._own_path(request) + quote_path("/".join(["", *segments, ""]))
        query = quote_from_bytes(request.scope.get("query_string", b""), safe=_QUERY_SAFE)
        # Two slashes at the beginning, or a backslash, would make a host of what follows.
        return URL("/" + path.lstrip("/\\") + (query and "?" + query), encoded=True)

    def _own_path(self, request: Request) -> str:
        """The prefix, percent-encoded, below the path that the application is served at."""
        return quote_path(request.scope.get("root_path", "").rstrip("/")) + self._prefix

    def _listing(self, request: Request, path: str, segments: list[str]) -> str:
        """A directory's files as HTML."""
        # Imported when the first list is made.
        from html import escape

        own_path = self._own_path(request)
        items = []
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                label = _printable(entry.name) + "/" * self._is_directory(entry)
                item = escape(label)
                if _printable(entry.name) == entry.name:
                    href = own_path + quote_path("/".join(["", *segments, entry.name]))
                    item = f'<a href="{escape(href)}">{item}</a>'
                # A name that is no UTF-8 has no URL.
                items.append(f"<li>{item}</li>\n")
        title = escape(_printable("Index of /" + "/".join(segments)))
        return (
            f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n</head>\n'
            f"<body>\n<h1>{title}</h1>\n<ul>\n{''.join(items)}</ul>\n</body>\n</html>\n"
        )

    def _is_directory(self, entry: os.DirEntry[str]) -> bool:
        """Whether a directory is served there: nothing is told of what a link out of the folder leads to."""
        if not entry.is_symlink():
            return entry.is_dir()
        real = os.path.realpath(entry.path)
        return (self._follow_symlinks or real.startswith(self._root + os.sep)) and os.path.isdir(real)


def _printable(name: str) -> str:
    """A name from the file system with a replacement character for each octet that is no UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _joined(request: Request, name: str) -> str:
    """The values of a header that is a list, as one (RFC 9110, section 5.3)."""
    return ", ".join(request.headers.getall(name, ()))


def _accepts_html(accept: str) -> bool:
    """Whether a client takes ``text/html``: the most specific range decides (RFC 9110, section 12.5.1)."""
    if not accept:
        return True
    accepted: dict[str, bool] = {}
    for item in accept.lower().split(","):
        media_range, *parameters = item.split(";")
        weights = [value for name, _, value in (each.partition("=") for each in parameters) if name.strip() == "q"]
        accepted[media_range.strip()] = not (weights and not weights[0].strip().strip("0."))
    for media_range in ("text/html", "text/*", "*/*"):
        if media_range in accepted:
            return accepted[media_range]
    return False
