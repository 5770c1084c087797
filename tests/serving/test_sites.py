"""Binding of addresses and paths."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from framework.serving.sites import bind_path, bind_tcp, given_socket

unix_only = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")


async def test_a_free_port_gets_its_number() -> None:
    site = await bind_tcp("127.0.0.1", 0, 1, reuse_address=None, reuse_port=None)
    [sock] = site.sockets
    assert site.authority == f"127.0.0.1:{sock.getsockname()[1]}"
    site.close()
    assert sock.fileno() == -1


@pytest.mark.parametrize("host", [None, ""])
async def test_no_host_is_shown_as_0000(host: str | None) -> None:
    site = await bind_tcp(host, 0, 1, reuse_address=None, reuse_port=None)
    assert site.authority.startswith("0.0.0.0:")
    assert socket.AF_INET in {sock.family for sock in site.sockets}
    site.close()


async def test_the_same_address_twice() -> None:
    first = await bind_tcp("127.0.0.1", 0, 1, reuse_address=True, reuse_port=None)
    port = first.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="address already in use") as caught:
        await bind_tcp("127.0.0.1", port, 1, reuse_address=True, reuse_port=None)
    assert caught.value.errno == errno.EADDRINUSE
    first.close()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="the system has no SO_REUSEPORT")
async def test_reuse_port_shares_a_port() -> None:
    first = await bind_tcp("127.0.0.1", 0, 1, reuse_address=None, reuse_port=True)
    port = first.sockets[0].getsockname()[1]
    second = await bind_tcp("127.0.0.1", port, 1, reuse_address=None, reuse_port=True)
    assert second.authority == first.authority
    first.close()
    second.close()


async def test_reuse_port_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)
    with pytest.raises(ValueError, match="leave it out"):
        await bind_tcp("127.0.0.1", 0, 1, reuse_address=None, reuse_port=True)


async def test_an_address_of_another_machine() -> None:
    # RFC 5737: 192.0.2.0/24 is for documentation.
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        await bind_tcp("192.0.2.1", 0, 1, reuse_address=None, reuse_port=None)


def test_ipv6_is_shown_in_brackets() -> None:
    try:
        sock = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    site = given_socket(sock)
    assert site.authority == f"[::1]:{sock.getsockname()[1]}"
    site.close()


@unix_only
def test_a_path_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    site = bind_path(path, 1)
    assert site.authority == f"unix:{path}:"
    assert path.is_socket()
    site.close()
    assert not path.exists()


@unix_only
def test_a_path_that_another_process_has_taken_over_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = bind_path(path, 1)
    second = bind_path(path, 1)
    first.close()
    assert path.is_socket()
    second.close()
    assert not path.exists()


@unix_only
def test_a_file_at_the_path_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    with pytest.raises(OSError, match="already in use"):
        bind_path(path, 1)
    assert path.read_text() == "precious"


@unix_only
def test_a_path_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bind_path(tmp_path / "missing" / "socket", 1)


@unix_only
def test_a_given_unix_socket_is_shown_by_its_path(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.fspath(tmp_path / "socket"))
    site = given_socket(sock)
    assert site.authority == f"unix:{tmp_path / 'socket'}:"
    site.close()
    # Whoever made it removes it.
    assert (tmp_path / "socket").is_socket()


def test_a_path_where_there_are_no_unix_sockets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    with pytest.raises(ValueError, match="use host and port"):
        bind_path(tmp_path / "socket", 1)
