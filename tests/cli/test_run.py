"""framework run: it serves as it is told, ends with 0, and says in a line or two why it cannot."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import sys
from pathlib import Path

import httpx
import pytest
import trustme

from framework.cli.main import main
from tests.cli.conftest import Write
from tests.serving.program import Program

SHOP = """
    from framework import web

    async def index(request):
        return web.Response(text=request.scheme)

    async def boom(request):
        raise ValueError("a secret of the source")

    def make_app():
        app = web.Application()
        app.router.add_get("/", index)
        app.router.add_get("/boom", boom)
        return app

    app = make_app()
"""

pytestmark = pytest.mark.usefixtures("write")


class Command(Program):
    """`framework` in a process of its own, in ``folder``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        source = f"import sys; from framework.cli.main import main; sys.exit(main({arguments!r}))"
        super().__init__(source, cwd=folder)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """The single line of a command that fails."""
    assert main(["run", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("framework run: error: ").rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(write: Write, tmp_path: Path, number: signal.Signals) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:app", "-P", "0", "-H", "127.0.0.1") as command:
        assert command.client.get(command.url()).text == "http"
        command.send(number)
        assert command.finish() == 0
    assert command.stderr().count("GET / HTTP/1.1") == 1


def test_the_default_is_localhost(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop", "-P", "0", "--no-access-log") as command:
        url = command.url()
        assert url.startswith("http://localhost:")
        assert command.client.get(url).text == "http"
        command.send(signal.SIGINT)
        assert command.finish() == 0
    assert command.stderr() == ""


def test_hosts_and_paths(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    options = ["-H", "127.0.0.1", "-H", "127.0.0.2", "-P", "0", "-U", "one.sock", "-U", "two.sock"]
    with Command(tmp_path, "run", "shop:make_app", *options) as command:
        line = command.read_until("Running on")
        assert [re.sub(r"[0-9]{4,}", "PORT", url) for url in re.findall(r"http://[^ ,]+", line)] == [
            "http://127.0.0.1:PORT",
            "http://127.0.0.2:PORT",
            "http://unix:one.sock:",
            "http://unix:two.sock:",
        ]
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "two.sock"))) as client:
            assert client.get("http://localhost/").text == "http"


def test_a_path_alone_is_all_that_is_listened_at(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:app", "-U", "one.sock") as command:
        assert command.read_until("Running on") == "======== Running on http://unix:one.sock: ========"


def test_workers(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:app", "-P", "0", "--workers", "2") as command:
        line = command.read_until("Running on")
        assert "2 workers" in line
        command.read_until("CTRL+C")
        url = re.findall(r"http://[^ ,]+", line)[0]
        assert command.client.get(url).text == "http"
        command.send(signal.SIGINT)
        assert command.finish() == 0
    # Workers log, too, without a logging configuration.
    assert command.stderr().count("GET / HTTP/1.1") == 1


def test_reload_shows_the_change_and_debug_pages(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:app", "-P", "0", "--reload") as command:
        url = command.url()
        assert command.client.get(url).text == "http"
        assert "a secret of the source" in command.client.get(f"{url}/boom").text
        write(shop=SHOP.replace("request.scheme", "'changed'"))
        command.read_until("shop.py")
        # The socket stays open while there is nobody to accept.
        with httpx.Client(trust_env=False, timeout=60) as client:
            while client.get(url).text != "changed":
                pass
        command.send(signal.SIGINT)
        assert command.finish() == 0


def test_debug_is_off_unless_it_is_asked_for(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    for options, shown in ([], False), (["--debug"], True):
        with Command(tmp_path, "run", "shop:app", "-P", "0", *options) as command:
            answer = command.client.get(f"{command.url()}/boom")
        assert answer.status_code == 500
        assert ("a secret of the source" in answer.text) is shown


def test_json_lines(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:app", "-P", "0", "--access-log", "json") as command:
        command.client.get(command.url())
        command.send(signal.SIGINT)
        assert command.finish() == 0
    lines = [line for line in command.stderr().splitlines() if line.startswith("{")]
    assert len(lines) == 1
    assert '"status":200' in lines[0]


def test_a_program_that_has_set_up_logging_is_left_alone(write: Write, tmp_path: Path) -> None:
    setup = "import logging\nlogging.basicConfig(level=logging.INFO, format='mine: %(message)s')\n"
    write(logs=setup, shop="    import logs\n" + SHOP)
    with Command(tmp_path, "run", "shop:app", "-P", "0") as command:
        command.client.get(command.url())
        command.send(signal.SIGINT)
        assert command.finish() == 0
    requests = [line for line in command.stderr().splitlines() if "GET / HTTP/1.1" in line]
    assert len(requests) == 1
    assert requests[0].startswith("mine: ")


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
def test_tls_and_servers(write: Write, tmp_path: Path, server: str) -> None:
    write(shop=SHOP)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = ["-P", "0", "--ssl-certfile", "cert.pem", "--server", server]
    with Command(tmp_path, "run", "shop:app", *options) as command:
        url = command.url()
        assert url.startswith("https://localhost:")
        assert httpx.get(url, verify=_trusting(tmp_path / "ca.pem"), trust_env=False, timeout=60).text == "https"
        command.send(signal.SIGINT)
        assert command.finish() == 0


def _trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file))


def test_a_port_in_use(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        reason = failure(capsys, "shop:app", "-H", "127.0.0.1", "-P", str(port))
    assert reason.startswith(f"port {port} of 127.0.0.1 is in use; choose another with -P, or see who has it: ")


def test_an_address_of_another_machine(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert failure(capsys, "shop:app", "-H", "192.0.2.1").startswith("192.0.2.1 is no address of this machine")


def test_a_path_in_no_folder(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert failure(capsys, "shop:app", "-U", "none/app.sock") == (
        "cannot listen at none/app.sock: No such file or directory"
    )


def test_a_certificate_that_is_not_there(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop=SHOP)
    assert failure(capsys, "shop:app", "--ssl-certfile", "none.pem") == "none.pem: No such file or directory"


def test_a_package_that_is_not_there(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shop=SHOP)
    monkeypatch.setitem(sys.modules, "granian", None)
    for name in [name for name in sys.modules if name.startswith(("granian.", "framework.serving.granian"))]:
        monkeypatch.delitem(sys.modules, name)
    assert "pip install 'asgi-framework[granian]'" in failure(capsys, "shop:app", "--server", "granian")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("shap:app", 'there is no module "shap"; did you mean "shop"?'),
        ("shop:ap", 'module "shop" has no attribute "ap"; did you mean "shop:app"?'),
        ("shop:web", '"shop:web" is a module; write "framework.web:app"'),
    ],
)
def test_no_such_application(write: Write, capsys: pytest.CaptureFixture[str], target: str, reason: str) -> None:
    write(shop=SHOP)
    assert failure(capsys, target) == reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--reload", "--workers", "2"], "--reload is for one process: leave out --workers"),
        (["--ssl-keyfile", "key.pem"], "--ssl-keyfile goes with --ssl-certfile, which is missing"),
    ],
)
def test_options_that_do_not_go_together(capsys: pytest.CaptureFixture[str], options: list[str], reason: str) -> None:
    assert failure(capsys, "shop:app", *options, code=2) == reason


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["shop.py"], 'argument MODULE:APP: "shop.py" is a path; write the name of the module, "shop:app"'),
        (["shop:app", "-P", "x"], "argument -P/--port: invalid port value: 'x'"),
        (["shop:app", "--workers", "0"], "argument --workers: there must be at least 1"),
        (["shop:app", "--shutdown-timeout", "nan"], "argument --shutdown-timeout: nan is no length of time"),
        (["shop:app", "--server", "nginx"], "argument --server: invalid choice: 'nginx'"),
    ],
)
def test_arguments_that_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", *arguments])
    assert caught.value.code == 2
    assert f"framework run: error: {reason}" in capsys.readouterr().err


def test_a_startup_that_fails_shows_the_programs_own_traceback(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        shop="""
        from framework import web

        async def connect(app):
            raise OSError(98, "the database is asleep")

        app = web.Application()
        app.on_startup.append(connect)
        """
    )
    assert main(["run", "shop:app", "-P", "0"]) == 1
    error = capsys.readouterr().err
    assert re.findall(r'File ".*?([^/"]+)", line ([0-9]+)', error) == [("shop.py", "5")]
    assert error.endswith("OSError: [Errno 98] the database is asleep\n")


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
def test_a_cleanup_that_fails_shows_the_programs_own_traceback(write: Write, tmp_path: Path, server: str) -> None:
    write(
        shop="""
        from framework import web

        async def disconnect(app):
            raise OSError(98, "the database is asleep")

        app = web.Application()
        app.on_cleanup.append(disconnect)
        """
    )
    with Command(tmp_path, "run", "shop:app", "-P", "0", "--server", server) as command:
        command.url()
        command.send(signal.SIGTERM)
        assert command.finish() == 1
    error = command.stderr()
    assert re.findall(r'File ".*?([^/"]+)", line ([0-9]+)', error) == [("shop.py", "5")]
    assert "CancelledError" not in error


def test_an_application_that_a_worker_does_not_find(write: Write, tmp_path: Path) -> None:
    write(shop=SHOP)
    with Command(tmp_path, "run", "shop:ap", "-P", "0", "--workers", "2") as command:
        assert command.finish() == 1
    assert 'module "shop" has no attribute "ap"; did you mean "shop:app"?' in command.stderr()
    assert "Traceback" not in command.stderr()
