"""TLS and HTTP/2 on each server, over real sockets, with certificates made for the test."""

from __future__ import annotations

import signal
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from framework import web
from tests.serving.program import Program

servers = pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
servers_with_context = pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])

APP = """
    import asyncio, ssl
    from framework import web

    async def hello(request):
        return web.Response(text=f"hello over {request.scheme}, {request.version.major}")

    async def echo(request):
        return web.Response(body=await request.read())

    async def numbers(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(100):
            await response.write(b"%d " % number * 1000)
        return response

    async def who(request):
        return web.json_response(
            {
                "peercert": request.get_extra_info("peercert"),
                "extension": request.scope.get("extensions", {}).get("tls"),
                "transport": request.transport.get_extra_info("tls_version"),
            }
        )

    app = web.Application(client_max_size=2**24)
    app.router.add_get("/", hello)
    app.router.add_post("/", echo)
    app.router.add_get("/numbers", numbers)
    app.router.add_get("/who", who)
"""


class Certificates:
    """A certificate authority, and the files and clients for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        self.certfile, self.keyfile, self.both = (folder / name for name in ("cert.pem", "key.pem", "both.pem"))
        issued.private_key_pem.write_to_path(self.keyfile)
        self.certfile.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)

    def options(self) -> str:
        return f"ssl_certfile={str(self.certfile)!r}, ssl_keyfile={str(self.keyfile)!r}"

    def client(self, **options: Any) -> httpx.Client:
        trust = ssl.create_default_context()
        self.authority.configure_trust(trust)
        return httpx.Client(verify=trust, trust_env=False, timeout=60, **options)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def run(server: str, options: str, before: str = "pass") -> Program:
    call = f"""
    {before}
    web.run_app(app, host="localhost", port=0, server={server!r}, {options})
    """
    return Program(APP + call)


@servers
def test_certificate_files(server: str, certificates: Certificates) -> None:
    with run(server, certificates.options()) as program, certificates.client(http2=True) as client:
        url = program.url()
        assert url.startswith("https://localhost:")
        answer = client.get(url)
        # HTTP/2 is spoken when it is asked for.
        assert (answer.text, answer.http_version) == ("hello over https, 1", "HTTP/1.1")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.stderr() == ""


@servers
def test_http2_by_alpn(server: str, certificates: Certificates) -> None:
    with run(server, certificates.options() + ", http2=True") as program:
        url = program.url()
        with certificates.client(http2=True) as client:
            answer = client.get(url)
            assert (answer.text, answer.http_version) == ("hello over https, 2", "HTTP/2")
            body = bytes(range(256)) * 4096
            assert client.post(url, content=body).content == body
            assert len(client.get(url + "/numbers").text) == sum(len(f"{number} ") * 1000 for number in range(100))
        with certificates.client() as client:
            answer = client.get(url)
            assert (answer.text, answer.http_version) == ("hello over https, 1", "HTTP/1.1")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.stderr() == ""


@servers
def test_http2_without_tls(server: str) -> None:
    with run(server, "http2=True") as program:
        url = program.url()
        with httpx.Client(http1=False, http2=True, trust_env=False) as client:
            answer = client.get(url)
            assert (answer.text, answer.http_version) == ("hello over http, 2", "HTTP/2")
        with httpx.Client(trust_env=False) as client:
            assert client.get(url).text == "hello over http, 1"


@servers_with_context
def test_ssl_context_with_http2(server: str, certificates: Certificates) -> None:
    before = f"""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain({str(certificates.both)!r})
    """
    with run(server, "ssl_context=context, http2=True", before) as program, certificates.client(http2=True) as client:
        assert client.get(program.url()).http_version == "HTTP/2"
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    assert program.stderr() == ""


@servers
def test_certificate_and_key_in_one_file(server: str, certificates: Certificates) -> None:
    with run(server, f"ssl_certfile={str(certificates.both)!r}") as program, certificates.client() as client:
        assert client.get(program.url()).text == "hello over https, 1"


def encrypt_key(certificates: Certificates) -> Path:
    key = serialization.load_pem_private_key(certificates.keyfile.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    keyfile = certificates.folder / "encrypted.pem"
    keyfile.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return keyfile


@servers_with_context
def test_an_encrypted_key(server: str, certificates: Certificates) -> None:
    options = f"ssl_certfile={str(certificates.certfile)!r}, ssl_keyfile={str(encrypt_key(certificates))!r}"
    with run(server, options + ", ssl_keyfile_password='secret'") as program, certificates.client() as client:
        assert client.get(program.url()).text == "hello over https, 1"


@servers
def test_workers_with_certificate_files(server: str, certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("""
from framework import web

async def hello(request):
    return web.Response(text="hello")

async def on_cleanup(app):
    print("on_cleanup", flush=True)

app = web.Application()
app.router.add_get("/", hello)
app.on_cleanup.append(on_cleanup)
""")
    source = f"""
    from framework import web
    web.run_app("hello:app", host="localhost", port=0, workers=2, http2=True, server={server!r},
                {certificates.options()})
    """
    with Program(source, cwd=tmp_path) as program, certificates.client(http2=True) as client:
        answer = client.get(program.url())
        assert (answer.text, answer.http_version) == ("hello", "HTTP/2")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
    # Two processes may write into one line.
    assert sum(line.count("on_cleanup") for line in program.lines) == 2
    assert program.stderr() == ""


@pytest.mark.parametrize("http2", [False, True])
def test_the_clients_certificate(certificates: Certificates, http2: bool) -> None:
    authority = certificates.authority.cert_pem.bytes().decode()
    before = f"""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata={authority!r})
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain({str(certificates.both)!r})
    """
    trust = ssl.create_default_context()
    certificates.authority.configure_trust(trust)
    own = certificates.authority.issue_cert("ada@example.com", common_name="Lovelace, Ada")
    own.configure_cert(trust)
    with run("uvicorn", f"ssl_context=context, http2={http2}", before) as program:
        url = program.url()
        with httpx.Client(verify=trust, trust_env=False, http2=http2) as client:
            told = client.get(url + "/who").json()
        with certificates.client() as client, pytest.raises(httpx.TransportError):
            client.get(url)
    assert told["peercert"]["subjectAltName"] == [["email", "ada@example.com"]]
    assert told["extension"]["client_cert_name"].startswith("CN=Lovelace\\, Ada,")
    assert told["extension"]["client_cert_chain"] == [own.cert_chain_pems[0].bytes().decode()]
    assert told["extension"]["tls_version"] == told["transport"] == 0x0304
    assert told["extension"]["cipher_suite"] in {0x1301, 0x1302, 0x1303}


async def test_a_runner_tells_of_the_clients_certificate_too(certificates: Certificates) -> None:
    async def who(request: web.Request) -> web.Response:
        return web.json_response(request.get_extra_info("peercert"))

    app = web.Application()
    app.router.add_get("/", who)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificates.authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates.both)
    trust = ssl.create_default_context()
    certificates.authority.configure_trust(trust)
    certificates.authority.issue_cert("ada@example.com").configure_cert(trust)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
        await site.start()
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            told = (await client.get(site.name)).json()
    finally:
        await runner.cleanup()
    assert told["subjectAltName"] == [["email", "ada@example.com"]]


def test_a_client_without_a_certificate(certificates: Certificates) -> None:
    with run("uvicorn", certificates.options()) as program, certificates.client() as client:
        told = client.get(program.url() + "/who").json()
    assert told["peercert"] is None
    assert told["extension"]["client_cert_chain"] == []


NOT_AN_APP: Any = object()


@pytest.mark.parametrize(
    ("certfile", "keyfile", "password", "complaint"),
    [
        ("missing.pem", "key.pem", None, r"missing\.pem"),
        ("cert.pem", "missing.pem", None, r"missing\.pem"),
        ("junk.pem", "key.pem", None, r"junk\.pem' has no certificate"),
        ("key.pem", None, None, r"key\.pem' has no certificate"),
        ("cert.pem", None, None, r"ssl_keyfile= is missing: .*cert\.pem' has no private key"),
        ("cert.pem", "junk.pem", None, r"junk\.pem' has no private key"),
        ("cert.pem", "encrypted.pem", None, "is encrypted: give its password, ssl_keyfile_password="),
        ("cert.pem", "encrypted.pem", "wrong", "is encrypted: ssl_keyfile_password= is wrong"),
        ("cert.pem", "other.pem", None, r"other\.pem' does not belong to the first certificate in .*cert\.pem"),
        ("broken.pem", "key.pem", None, "cannot be used"),
    ],
)
def test_files_that_cannot_be_used(
    certificates: Certificates, certfile: str, keyfile: str | None, password: str | None, complaint: str
) -> None:
    folder = certificates.folder
    encrypt_key(certificates)
    certificates.authority.issue_cert("localhost").private_key_pem.write_to_path(folder / "other.pem")
    (folder / "junk.pem").write_bytes(bytes(range(256)))
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises((OSError, ValueError), match=complaint):
        web.run_app(
            NOT_AN_APP,
            ssl_certfile=folder / certfile,
            ssl_keyfile=keyfile and folder / keyfile,
            ssl_keyfile_password=password,
        )


def test_a_key_without_a_certificate() -> None:
    with pytest.raises(ValueError, match="go with ssl_certfile"):
        web.run_app(NOT_AN_APP, ssl_keyfile="key.pem")


def test_an_encrypted_key_for_granian(certificates: Certificates) -> None:
    files: dict[str, Any] = {"ssl_certfile": certificates.certfile, "ssl_keyfile": encrypt_key(certificates)}
    with pytest.raises(ValueError, match="openssl pkey"):
        web.run_app(NOT_AN_APP, **files, ssl_keyfile_password="secret", server="granian")


def test_a_context_and_files(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="not both"):
        web.run_app(NOT_AN_APP, ssl_certfile=certificates.both, ssl_context=ssl.create_default_context())
