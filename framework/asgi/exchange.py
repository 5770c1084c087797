"""What an access log is told of a request: the `Request` that the application made of it, and the response.

Nobody is told anything unless `Application.tell_exchanges` was called: the handlers of other applications are not
wrapped, and a request costs nothing more.
"""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Final

from framework.typedefs import Handler

if TYPE_CHECKING:
    from framework.requests import Request
    from framework.responses import StreamResponse

__all__ = ("EXCHANGE", "Exchange", "telling")

#: Where the scope has the `Exchange` of whoever wants to be told; copies of the scope share it.
EXCHANGE: Final = "framework.exchange"


class Exchange:
    """A request, once the application has made one, and what its handler returned."""

    __slots__ = ("request", "returned")

    def __init__(self) -> None:
        self.request: Request | None = None
        #: What came out of the outermost middleware; None where that raised. See `Request.response` for what was sent.
        self.returned: StreamResponse | None = None


def telling(handler: Handler) -> Handler:
    """``handler``, which has its middlewares around it, so that the scope's `Exchange` is filled in."""

    async def call(request: Request) -> StreamResponse:
        exchange: Exchange | None = request.scope.get(EXCHANGE)
        if exchange is None or exchange.request is not None:
            # The second is an application inside of one that was told already.
            return await handler(request)
        exchange.request = request
        exchange.returned = response = await handler(request)
        return response

    return update_wrapper(call, handler)
