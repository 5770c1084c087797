"""`EventSourceResponse`: server-sent events, in the shape that users of aiohttp-sse know.

The format is that of the HTML standard, section 9.2, "Server-sent events". What a client's end does to the handler is
settled here: in an ``async with`` block the handler is woken wherever it waits, and goes on after the block.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Self, TypeVar, overload
from weakref import WeakKeyDictionary, WeakSet

from framework import hdrs
from framework.exceptions import HTTPMethodNotAllowed
from framework.requests import Request
from framework.responses import StreamResponse
from framework.sansio import json as sansio_json
from framework.streams import ClientConnectionResetError
from framework.typedefs import JSONEncoder, LooseHeaders

if TYPE_CHECKING:
    from framework.applications import Application
    from framework.requests import BaseRequest
    from framework.writers import ResponseWriter

__all__ = ("EventSourceResponse", "sse_response", "stop_event_streams")

_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
#: What would end a field's line. A NUL in an id makes browsers ignore the id (HTML standard, section 9.2.6).
_UNSAFE: Final = re.compile(r"[\r\n\0]")

#: The streams that each application has open, for `stop_event_streams`, and the applications that it was called for.
_open_streams: WeakKeyDictionary[Application, WeakSet[EventSourceResponse]] = WeakKeyDictionary()
_stopped: WeakSet[Application] = WeakSet()


class EventSourceResponse(StreamResponse):
    """A response that stays open, for events that a browser reads with ``new EventSource(url)``.

    ::

        async with web.sse_response(request) as response:
            while True:
                await response.send(await queue.get())
        return response

    The block ends when it is done, when the client leaves, and when somebody calls `stop_streaming`. In the last two
    cases whatever the block awaits is cancelled, as by `asyncio.timeout`, and the program goes on after the block. A
    ``finally`` inside it may await as usual.

    Args:
        status: the status code; after 204 a browser does not connect again.
        reason: the reason phrase.
        headers: more headers. Content-Type is always ``text/event-stream``.
        sep: what ends a line: ``"\\r\\n"`` by default, or ``"\\n"`` or ``"\\r"``.
        allow_all_methods: whether methods other than GET are answered; otherwise they get a 405.
        send_timeout: seconds after which a client that takes nothing counts as gone; None for no limit.
        ping_interval: seconds between the comments that keep proxies from closing a connection without events.

    Raises ValueError for a ``sep`` that ends no line, and for a ``send_timeout`` or a ``ping_interval`` that is not
    positive.
    """

    def __init__(
        self,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: LooseHeaders | None = None,
        sep: str | None = None,
        allow_all_methods: bool = False,
        send_timeout: float | None = 120,
        ping_interval: float = 15,
    ) -> None:
        super().__init__(status=status, reason=reason, headers=headers)
        self.headers[hdrs.CONTENT_TYPE] = "text/event-stream"
        self.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
        # nginx would gather what it forwards.
        self.headers.setdefault("X-Accel-Buffering", "no")
        self._sep = "\r\n" if sep is None else sep
        if self._sep not in {"\r\n", "\n", "\r"}:
            raise ValueError(f"sep is what ends a line: '\\r\\n', '\\n' or '\\r', not {sep!r}")
        self._allow_all_methods = allow_all_methods
        if send_timeout is not None:
            _check_seconds("send_timeout", send_timeout)
        self._send_timeout = send_timeout
        self.ping_interval = ping_interval
        self._last_event_id: str | None = None
        # One message after the other, whichever tasks send them.
        self._sending = asyncio.Lock()
        self._patience = _Patience(send_timeout)
        #: Set when there is nobody to send to any more; None before `prepare`.
        self._ended: asyncio.Event | None = None
        self._watcher: asyncio.Task[None] | None = None
        # The task inside the block, how often others had asked it to cancel, and whether we did.
        self._block: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancelled = False
        self._block_waits = False

    # The stream

    @property
    def ping_interval(self) -> float:
        """Seconds between two pings. A change counts from the next ping on."""
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float) -> None:
        _check_seconds("ping_interval", value)
        self._ping_interval = value

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that the client has seen, None where it connects for the first time.

        RuntimeError before `prepare`.
        """
        self._event()
        return self._last_event_id

    def is_connected(self) -> bool:
        """Whether there is somebody to send to: the client is there, and nobody called `stop_streaming`."""
        return self._ended is not None and not self._ended.is_set()

    def enable_compression(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not there: a compressor would hold events back. Raises NotImplementedError."""
        raise NotImplementedError("Server-sent events are not compressed: each is to arrive when it is sent")

    async def prepare(self, request: BaseRequest) -> ResponseWriter | None:
        """Send the headers, and watch the client from now on; as `StreamResponse.prepare`.

        Raises `HTTPMethodNotAllowed` for a method other than GET, unless ``allow_all_methods`` was given.
        """
        if self.prepared:
            return await super().prepare(request)
        if not self._allow_all_methods and request.method != hdrs.METH_GET:
            raise HTTPMethodNotAllowed(request.method, [hdrs.METH_GET])
        writer = await super().prepare(request)
        self._last_event_id = request.headers.get("Last-Event-ID")
        self._ended = asyncio.Event()
        for app in _apps_of(request):
            _open_streams.setdefault(app, WeakSet()).add(self)
        if _are_stopped(request):
            self.stop_streaming()
        self._watcher = asyncio.ensure_future(self._watch(request, self._ended))
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Stop the pings and end the response."""
        self._end()
        await self._stop_watching()
        await super().write_eof(data)

    # Events

    async def send(self, data: str, id: str | None = None, event: str | None = None, retry: int | None = None) -> None:
        r"""Send an event, and wait until the server takes more.

        Args:
            data: what the event says; each of its lines, which ``\r\n``, ``\r`` or ``\n`` ends, becomes a field.
            id: what the browser sends as Last-Event-ID when it connects again; an empty one takes it back.
            event: the name under which the page listens, "message" by default.
            retry: milliseconds after which the browser connects again.

        Raises ValueError for line ends or NUL in ``id`` or ``event`` and for a negative ``retry``,
        `ClientConnectionResetError` when the client has gone, and TimeoutError when it takes nothing for
        ``send_timeout`` seconds.
        """
        await self._deliver(_format(data, id, event, retry, self._sep))

    async def send_json(
        self,
        data: Any,
        id: str | None = None,
        event: str | None = None,
        retry: int | None = None,
        *,
        dumps: JSONEncoder = json.dumps,
    ) -> None:
        """Send an event with ``data`` as JSON; as `send`. TypeError for what JSON cannot say."""
        text = sansio_json.dumps(data) if dumps is json.dumps else dumps(data)
        await self.send(text, id, event, retry)

    async def _deliver(self, data: bytes) -> None:
        try:
            async with self._sending:
                self._patience.begin()
                try:
                    await self.write(data)
                except asyncio.CancelledError:
                    if self._patience.is_over():
                        raise TimeoutError(f"The client took nothing for {self._send_timeout} seconds") from None
                    raise
                finally:
                    self._patience.end()
        except (ClientConnectionResetError, TimeoutError):
            self._end()
            raise

    # The end

    async def wait(self) -> None:
        """Wait until the client leaves or somebody calls `stop_streaming`; RuntimeError before `prepare`."""
        ended = self._event()
        if asyncio.current_task() is not self._block:
            await ended.wait()
            return
        self._block_waits = True
        try:
            await ended.wait()
        finally:
            self._block_waits = False

    def stop_streaming(self) -> None:
        """End the stream: `wait` returns, pings cease, and the block ends unless it calls this itself.

        To be called in the event loop of the response. RuntimeError before `prepare`.
        """
        self._event()
        self._end()
        if self._watcher is not None:
            self._watcher.cancel()

    def _event(self) -> asyncio.Event:
        if self._ended is None:
            raise RuntimeError("The event stream has not begun: await response.prepare(request) first")
        return self._ended

    def _end(self) -> None:
        """Tell those who wait, and wake the block."""
        if self._ended is not None and not self._ended.is_set():
            self._ended.set()
            self._cancel_block()

    def _cancel_block(self) -> None:
        block = self._block
        # Whoever waits for the end gets it as a result, and whoever caused it knows.
        if block is None or self._block_waits or block is asyncio.current_task():
            return
        # Where handlers are cancelled when the client leaves, that is done: the block may be cleaning up after it.
        if block.cancelling() <= self._cancelling:
            self._cancelled = True
            block.cancel()

    async def _watch(self, request: BaseRequest, ended: asyncio.Event) -> None:
        """Send pings until the client leaves."""
        ping = f": ping{self._sep}{self._sep}".encode()
        try:
            while not ended.is_set() and not await self._leaves(request):
                # What is being sent keeps the connection awake as well.
                if not self._sending.locked():
                    await self._deliver(ping)
        except (ClientConnectionResetError, TimeoutError):
            pass
        finally:
            self._end()

    async def _leaves(self, request: BaseRequest) -> bool:
        """Whether the client leaves before the next ping."""
        try:
            async with asyncio.timeout(self._ping_interval):
                await request.wait_for_disconnection()
        except TimeoutError:
            return False
        except Exception:
            # The body cannot be received, and with it no news of the client: the pings alone will tell.
            await asyncio.sleep(self._ping_interval)
            return False
        return True

    async def _stop_watching(self) -> None:
        self._patience.stop()
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher is not asyncio.current_task():
            watcher.cancel()
            # A ping that is being sent ends before anything else is sent.
            await asyncio.wait([watcher])

    # The block

    async def __aenter__(self) -> Self:
        ended = self._event()
        block = asyncio.current_task()
        if block is None:
            raise RuntimeError("async with needs a running task")
        self._block = block
        self._cancelling = block.cancelling()
        self._cancelled = False
        if ended.is_set():
            # Not now: the block may come to its end without waiting for anything.
            asyncio.get_running_loop().call_soon(self._cancel_block)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        block, self._block = self._block, None
        # Somebody else may have asked the task to cancel besides us: then it is cancelled.
        is_ours = self._cancelled and block is not None and block.uncancel() <= self._cancelling
        await self._stop_watching()
        self._end()
        if isinstance(exc, asyncio.CancelledError):
            return is_ours
        return _is_disconnect(exc)


class _Patience:
    """Cancels a send that takes longer than so many seconds; None is for ever.

    PERF: one timer for all sends of a stream, which is set again only when it goes off: an event costs 2.7 µs, and 5.8
    with an `asyncio.timeout` for each.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancelled = False

    def begin(self) -> None:
        """Watch what the current task does from now on."""
        task = asyncio.current_task()
        if self._seconds is None or task is None:
            return
        loop = asyncio.get_running_loop()
        self._task = task
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._until = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._look)

    def end(self) -> None:
        """The task is done with it."""
        self._task = None

    def is_over(self) -> bool:
        """Whether the task was cancelled because it took too long, and by nobody else; to be asked once."""
        return self._cancelled and self._task is not None and self._task.uncancel() <= self._cancelling

    def stop(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._look)
        else:
            self._cancelled = True
            self._task.cancel()


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is a positive number of seconds, not {value!r}")


def _format(data: str, id: str | None, event: str | None, retry: int | None, sep: str) -> bytes:
    fields = []
    if id is not None:
        fields.append(f"id: {_checked('id', id)}{sep}")
    if event is not None:
        fields.append(f"event: {_checked('event', event)}{sep}")
    fields += [f"data: {line}{sep}" for line in _LINE_ENDS.split(data)]
    if retry is not None:
        if isinstance(retry, bool) or not isinstance(retry, int):
            raise TypeError(f"retry is a whole number of milliseconds, not {retry!r}")
        if retry < 0:
            raise ValueError(f"retry must not be negative: {retry}")
        fields.append(f"retry: {retry}{sep}")
    return f"{''.join(fields)}{sep}".encode()


def _checked(field: str, value: str) -> str:
    if _UNSAFE.search(value):
        raise ValueError(f"The {field} of an event must have no line ends and no NUL: {value!r}")
    return value


def _is_disconnect(exc: BaseException | None) -> bool:
    """Whether ``exc`` says that the client has gone and nothing else, also from a `asyncio.TaskGroup`."""
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(ClientConnectionResetError)[1] is None
    return isinstance(exc, ClientConnectionResetError)


def _apps_of(request: BaseRequest) -> tuple[Application, ...]:
    try:
        return request.match_info.apps if isinstance(request, Request) else ()
    except RuntimeError:  # it was not routed
        return ()


def _are_stopped(request: BaseRequest) -> bool:
    """Whether the streams of the request's applications were stopped because the outermost one ends."""
    apps = _apps_of(request)
    return bool(apps) and apps[0].stopping and not _stopped.isdisjoint(apps)


_R = TypeVar("_R", bound=EventSourceResponse)


class _Opening(AbstractAsyncContextManager[_R], Generic[_R]):
    """What `sse_response` gives: the response once it is awaited, its block in ``async with``."""

    def __init__(self, response: _R, request: BaseRequest) -> None:
        self._response = response
        self._request = request

    async def _open(self) -> _R:
        await self._response.prepare(self._request)
        return self._response

    def __await__(self) -> Generator[Any, None, _R]:
        return self._open().__await__()

    async def __aenter__(self) -> _R:
        return await (await self._open()).__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return await self._response.__aexit__(exc_type, exc, traceback)


@overload
def sse_response(
    request: BaseRequest,
    *,
    status: int = ...,
    reason: str | None = ...,
    headers: LooseHeaders | None = ...,
    sep: str | None = ...,
    send_timeout: float | None = ...,
    ping_interval: float = ...,
    allow_all_methods: bool = ...,
) -> _Opening[EventSourceResponse]: ...
@overload
def sse_response(
    request: BaseRequest,
    *,
    status: int = ...,
    reason: str | None = ...,
    headers: LooseHeaders | None = ...,
    sep: str | None = ...,
    send_timeout: float | None = ...,
    ping_interval: float = ...,
    response_cls: type[_R],
    allow_all_methods: bool = ...,
) -> _Opening[_R]: ...
def sse_response(
    request: BaseRequest,
    *,
    status: int = 200,
    reason: str | None = None,
    headers: LooseHeaders | None = None,
    sep: str | None = None,
    send_timeout: float | None = 120,
    ping_interval: float = 15,
    response_cls: type[Any] = EventSourceResponse,
    allow_all_methods: bool = False,
) -> _Opening[Any]:
    """An `EventSourceResponse` that is prepared for ``request``.

    ``async with sse_response(request) as response`` is its block, ``await sse_response(request)`` the response alone.
    ``response_cls`` is the class to make; for the other parameters see there. Raises TypeError for a class that is no
    subclass of `EventSourceResponse`.
    """
    if not (isinstance(response_cls, type) and issubclass(response_cls, EventSourceResponse)):
        raise TypeError(f"response_cls must be a subclass of EventSourceResponse, not {response_cls!r}")
    response = response_cls(
        status=status,
        reason=reason,
        headers=headers,
        sep=sep,
        allow_all_methods=allow_all_methods,
        send_timeout=send_timeout,
        ping_interval=ping_interval,
    )
    return _Opening(response, request)


async def stop_event_streams(app: Application) -> None:
    """Stop all event streams that ``app`` or an application below it has open, and those that its end finds on the way.

    For ``app.on_shutdown.append(web.stop_event_streams)``: a server waits for open responses before it ends, and an
    event stream would stay open as long as its client does.
    """
    _stopped.add(app)
    for stream in list(_open_streams.get(app, ())):
        stream.stop_streaming()
