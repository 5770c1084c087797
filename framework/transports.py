"""What ASGI tells of a connection, in the words of asyncio's transports."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from framework.typedefs import Scope

__all__ = ("ASGITransport",)


class ASGITransport(asyncio.BaseTransport):
    """``request.transport``: what can be known of the connection. It can be asked, not written to.

    Programs written for aiohttp ask it for ``peername``; whatever would act on the connection raises RuntimeError and
    names what to use instead.
    """

    def __init__(self, scope: Scope) -> None:
        tls = scope.get("extensions", {}).get("tls") or {}
        super().__init__(
            {
                "peername": _address(scope.get("client")),
                "sockname": _address(scope.get("server")),
                # ASGI's TLS extension, where the server offers it.
                # Under uvicorn, run_app and runners add the dict of getpeercert() to the extension.
                "peercert": tls.get("peercert") or tls.get("client_cert_name"),
                "tls_version": tls.get("tls_version"),
                "cipher": tls.get("cipher_suite"),
                "server_cert": tls.get("server_cert"),
                "client_cert_chain": tls.get("client_cert_chain") or None,
                "client_cert_error": tls.get("client_cert_error"),
                # Whether there is TLS is all that most programs ask of the context.
                "sslcontext": tls or None if scope.get("scheme") in ("https", "wss") else None,
            }
        )

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known by ``name``, else ``default``.

        ``peername`` and ``sockname`` are ``(host, port)``. With ASGI's TLS extension also ``sslcontext`` (the
        extension's dict: the context is the server's), ``tls_version``, ``cipher``, ``server_cert``,
        ``client_cert_chain``, ``client_cert_error`` and ``peercert`` (the client certificate, as
        ``getpeercert()`` gives it under `run_app` and runners over uvicorn, else its distinguished name).
        """
        value = super().get_extra_info(name)
        return default if value is None else value

    def is_closing(self) -> bool:
        """False: the transport of a client that has gone is None."""
        return False

    def close(self) -> NoReturn:
        """Not possible: the connection is the server's."""
        raise RuntimeError("An ASGI server closes its connections itself; call response.force_close() instead")

    abort = close

    def write(self, data: bytes) -> NoReturn:
        """Not possible: the connection is the server's."""
        raise RuntimeError("An ASGI server writes to its connections itself; use response.write() instead")


def _address(address: Any) -> tuple[Any, ...] | None:
    if address is None:
        return None
    host, port = address
    # granian gives the port as text.
    return host, None if port is None else int(port)
