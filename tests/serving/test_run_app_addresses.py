"""Where run_app listens: host, port, path, sock, and TLS."""

from __future__ import annotations

import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tests.serving.program import Program

HELLO = """
    from framework import web

    async def hello(request):
        return web.Response(text=f"hello over {request.scheme}")

    app = web.Application()
    app.router.add_get("/", hello)
"""


def test_a_port_in_use_is_an_error_after_cleanup() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        source = f"""
    async def cleanup(app):
        print("on_cleanup")

    app.on_cleanup.append(cleanup)
    web.run_app(app, host="127.0.0.1", port={port})
    """
        with Program(HELLO + source) as program:
            assert program.finish() == 1
    assert program.lines == ["on_cleanup"]
    assert f"while attempting to bind on address ('127.0.0.1', {port}): address already in use" in program.stderr()


def test_several_hosts() -> None:
    with Program(HELLO + "    web.run_app(app, host=['127.0.0.1', '127.0.0.2'], port=0)") as program:
        program.url()
        urls = program.lines[-2].split(" ")[3:5]
        for host, url in zip(["127.0.0.1", "127.0.0.2"], urls, strict=True):
            assert url.startswith(f"http://{host}:")
            assert program.client.get(url.rstrip(",")).text == "hello over http"


def test_no_host_is_every_interface() -> None:
    with Program(HELLO + "    web.run_app(app, port=0)") as program:
        url = program.url()
        assert url.startswith("http://0.0.0.0:")
        assert program.client.get(url.replace("0.0.0.0", "127.0.0.1")).text == "hello over http"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no Unix sockets")
def test_unix_path(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Program(HELLO + f"    web.run_app(app, path={str(path)!r})") as program:
        assert program.url() == f"http://unix:{path}:"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://localhost/").text == "hello over http"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert not path.exists()
    assert program.stderr() == ""


def test_given_socket() -> None:
    source = """
    import socket

    sock = socket.create_server(("127.0.0.1", 0))
    print(sock.getsockname()[1])
    web.run_app(app, sock=sock)
    print(sock.fileno())
    """
    with Program(HELLO + source) as program:
        url = program.url()
        assert url == f"http://127.0.0.1:{program.lines[0]}"
        assert program.client.get(url).text == "hello over http"
        program.send(signal.SIGINT)
        assert program.finish() == 0
    assert program.lines[-1] == "-1"


def test_ssl_context(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    source = f"""
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain({str(certificate)!r})
    web.run_app(app, host="localhost", port=0, ssl_context=context)
    """
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with Program(HELLO + source) as program, httpx.Client(verify=trust, trust_env=False) as client:
        url = program.url()
        assert url.startswith("https://localhost:")
        assert client.get(url).text == "hello over https"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.stderr() == ""


@pytest.mark.parametrize(("options", "port"), [("", 8080), ("ssl_context=ssl.create_default_context()", 8443)])
def test_the_default_port(options: str, port: int) -> None:
    # A second listener on the default port fails, whoever has the first.
    source = f"""
    import socket, ssl

    with socket.socket() as sock:
        try:
            sock.bind(("0.0.0.0", {port}))
            sock.listen()
        except OSError:
            pass
        web.run_app(app, host="0.0.0.0", {options})
    """
    with Program(HELLO + source) as program:
        assert program.finish() == 1
    assert f"('0.0.0.0', {port})" in program.stderr()
