"""Work beside the requests: tasks of a handler and tasks of the application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

from tests.contract.backends import PATIENCE, Backend, SocketBackend

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="none")


async def test_task_of_a_handler_outlives_the_request(backend: Backend) -> None:
    web = backend.web
    answered, done = asyncio.Event(), asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def work() -> None:
        await answered.wait()
        done.set()

    async def handler(request: Any) -> Any:
        task = asyncio.create_task(work())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/", handler)
    async with backend.client(app) as client:
        assert (await client.post("/")).status_code == 202
        assert not done.is_set()
        answered.set()
        await asyncio.wait_for(done.wait(), PATIENCE)


async def test_task_of_a_handler_that_reads_the_request_later(backend: Backend) -> None:
    """What was read of a request stays when the request is over."""
    web = backend.web
    seen: list[Any] = []
    answered = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    key = web.RequestKey("key", int)

    async def work(request: Any) -> None:
        await answered.wait()
        seen.append((request.method, request.path, request.query["a"], await request.text(), request[key]))

    async def handler(request: Any) -> Any:
        await request.read()
        request[key] = 1
        tasks.append(asyncio.create_task(work(request)))
        return web.Response()

    app = web.Application()
    app.router.add_post("/{tail:.*}", handler)
    async with backend.client(app) as client:
        await client.post("/x?a=1", content=b"body")
        answered.set()
        await asyncio.gather(*tasks)
    assert seen == [("POST", "/x", "1", "body", 1)]


async def test_failure_of_a_task_does_not_reach_the_client(backend: Backend) -> None:
    web = backend.web
    tasks: list[asyncio.Task[None]] = []

    async def fail() -> None:
        raise ValueError("in the background")

    async def handler(request: Any) -> Any:
        tasks.append(asyncio.create_task(fail()))
        await asyncio.sleep(0)
        return web.Response(text="fine")

    app = web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "fine"
        (outcome,) = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcome, ValueError)


async def test_results_of_tasks_are_gathered_by_a_handler(backend: Backend) -> None:
    web = backend.web

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    async def handler(request: Any) -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(number)) for number in range(3)]
        return web.json_response([task.result() for task in tasks])

    app = web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() == [0, 2, 4]


async def test_shield_in_a_handler(backend: Backend) -> None:
    """What is shielded goes on when the handler gives up waiting for it."""
    web = backend.web
    release, done = asyncio.Event(), asyncio.Event()
    key = web.AppKey("key", list)

    async def work() -> None:
        await release.wait()
        done.set()

    async def handler(request: Any) -> Any:
        task = asyncio.create_task(work())
        request.app[key].append(task)
        try:
            async with asyncio.timeout(0):
                await asyncio.shield(task)
        except TimeoutError:
            return web.Response(text="not waited for")
        return web.Response()

    app = web.Application()
    app[key] = []
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "not waited for"
        assert not done.is_set()
        release.set()
        await asyncio.wait_for(done.wait(), PATIENCE)


async def test_handler_is_not_cancelled_when_the_client_leaves(socket_backend: SocketBackend) -> None:
    """Nothing needs to be shielded, as long as nobody asks for `handler_cancellation`."""
    web = socket_backend.web
    started, left = asyncio.Event(), asyncio.Event()
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: Any) -> Any:
        started.set()
        try:
            await left.wait()
            await asyncio.sleep(0.01)
            outcome.set_result("ended")
        except asyncio.CancelledError:
            outcome.set_result("cancelled")
            raise
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handler)
    async with socket_backend.serve(app) as (host, port), asyncio.timeout(PATIENCE):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        writer.transport.abort()
        for _ in range(20):
            await asyncio.sleep(0)
        left.set()
        assert await outcome == "ended"


async def test_context_variables_of_a_handler_reach_its_tasks(backend: Backend) -> None:
    web = backend.web

    async def show() -> str:
        return VARIABLE.get()

    async def handler(request: Any) -> Any:
        VARIABLE.set(request.path)
        return web.Response(text=await asyncio.create_task(show()))

    app = web.Application()
    app.router.add_get("/{name}", handler)
    async with backend.client(app) as client:
        assert [(await client.get(path)).text for path in ("/a", "/b")] == ["/a", "/b"]


async def test_blocking_work_in_a_thread(backend: Backend) -> None:
    web = backend.web

    def work(data: str) -> str:
        return data.upper()

    async def handler(request: Any) -> Any:
        executed = await asyncio.get_running_loop().run_in_executor(None, work, "a")
        return web.Response(text=executed + await asyncio.to_thread(work, "b"))

    app = web.Application()
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "AB"


async def test_task_from_startup_to_cleanup(backend: Backend) -> None:
    """aiohttp's documented way: `on_startup` makes the task, `on_cleanup` cancels and awaits it."""
    web = backend.web
    log: list[str] = []
    key = web.AppKey("key", asyncio.Task)

    async def listen() -> None:
        log.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async def start(app: Any) -> None:
        app[key] = asyncio.create_task(listen())
        await asyncio.sleep(0)

    async def stop(app: Any) -> None:
        app[key].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await app[key]
        log.append("stopped")

    async def show(request: Any) -> Any:
        return web.json_response(request.app[key].done())

    app = web.Application()
    app.on_startup.append(start)
    app.on_cleanup.append(stop)
    app.router.add_get("/", show)
    async with backend.client(app) as client:
        assert (await client.get("/")).json() is False
    assert log == ["begun", "ended", "stopped"]


async def test_queue_between_handlers_and_a_worker(backend: Backend) -> None:
    """Handlers hand over work; the worker finishes what is there before the application is gone."""
    web = backend.web
    done: list[str] = []
    key = web.AppKey("key", asyncio.Queue)

    async def worker(queue: asyncio.Queue[str]) -> None:
        while True:
            done.append(await queue.get())
            queue.task_done()

    async def working(app: Any) -> AsyncIterator[None]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        app[key] = queue
        task = asyncio.create_task(worker(queue))
        yield
        await queue.join()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def handler(request: Any) -> Any:
        request.app[key].put_nowait(request.path)
        return web.Response(status=202)

    app = web.Application()
    app.cleanup_ctx.append(working)
    app.router.add_post("/{name}", handler)
    async with backend.client(app) as client:
        for path in ("/1", "/2", "/3"):
            assert (await client.post(path)).status_code == 202
    assert done == ["/1", "/2", "/3"]


async def test_tasks_of_several_contexts_end_in_reverse_order(backend: Backend) -> None:
    web = backend.web
    log: list[str] = []

    def background(name: str) -> Any:
        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append(name)

        async def context(app: Any) -> AsyncIterator[None]:
            task = asyncio.create_task(work())
            await asyncio.sleep(0)
            yield
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        return context

    app = web.Application()
    app.cleanup_ctx.extend([background("first"), background("second")])
    async with backend.client(app):
        assert log == []
    assert log == ["second", "first"]


async def test_task_of_the_application_writes_into_open_streams(socket_backend: SocketBackend) -> None:
    """One task feeds every client that listens."""
    web = socket_backend.web
    listeners: list[Any] = []
    finished = asyncio.Event()

    async def listen(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        listeners.append(response)
        await finished.wait()
        return response

    async def publish(request: Any) -> Any:
        for response in listeners:
            await response.write(request.query["text"].encode())
        finished.set()
        return web.Response(text=str(len(listeners)))

    app = web.Application()
    app.router.add_get("/", listen)
    app.router.add_post("/", publish)
    async with socket_backend.client(app) as client, asyncio.timeout(PATIENCE):
        waiting = [asyncio.create_task(client.get("/")) for _ in range(2)]
        while len(listeners) < 2:
            await asyncio.sleep(0.01)
        assert (await client.post("/?text=news")).text == "2"
        assert [(await each).text for each in waiting] == ["news", "news"]


async def test_periodic_task(backend: Backend) -> None:
    web = backend.web
    ticks = 0
    key = web.AppKey("key", asyncio.Event)

    async def tick(app: Any) -> AsyncIterator[None]:
        app[key] = asyncio.Event()

        async def run() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                if ticks == 3:
                    app[key].set()
                await asyncio.sleep(0.001)

        task = asyncio.create_task(run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def handler(request: Any) -> Any:
        await request.app[key].wait()
        return web.Response(text="ticked")

    app = web.Application()
    app.cleanup_ctx.append(tick)
    app.router.add_get("/", handler)
    async with backend.client(app) as client:
        assert (await client.get("/")).text == "ticked"
    stopped = ticks
    await asyncio.sleep(0.01)
    assert ticks == stopped
