"""ASGI's TLS extension under uvicorn, which has it not: what a handler may know of the client's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.serving.tls import tls_extension

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config

    from framework.typedefs import ASGIApp, Receive, Scope, Send

__all__ = ["TLSTeller", "tell_of_tls"]


class TLSTeller:
    """An ASGI application around that of one connection, whose scopes it completes.

    Args:
        protocol: uvicorn's protocol of the connection.
        app: answers its requests.
    """

    def __init__(self, protocol: Any, app: ASGIApp) -> None:
        self._protocol = protocol
        self._app = app
        self._extension: dict[str, Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._extension is None:
            ssl_object = self._protocol.transport.get_extra_info("ssl_object")
            if ssl_object is None:
                if self._protocol.app is self:
                    # Without TLS the next requests of the connection come by without.
                    self._protocol.app = self._app
                await self._app(scope, receive, send)
                return
            self._extension = tls_extension(ssl_object)
        scope["extensions"] = {**scope.get("extensions", {}), "tls": self._extension}
        await self._app(scope, receive, send)


def tell_of_tls(config: Config) -> None:
    """Have a loaded configuration of uvicorn's make protocols that tell of TLS."""
    make_http: Callable[..., Any] = config.http_protocol_class
    websocket_class: Any = config.ws_protocol_class

    def make_telling_http(**options: Any) -> Any:
        protocol = make_http(**options)
        protocol.app = TLSTeller(protocol, protocol.app)
        return protocol

    config.http_protocol_class = make_telling_http  # type: ignore[assignment]  # uvicorn calls it
    if websocket_class is None:
        return

    class TellingWebSocket(websocket_class):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.app: ASGIApp = TLSTeller(self, self.app)

    config.ws_protocol_class = TellingWebSocket
