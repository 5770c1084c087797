"""What observes requests from outside knows their routes: OpenTelemetry, Sentry, Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from framework import web
from tests.interop.packages import needs


async def fail(request: web.Request) -> web.Response:
    raise ValueError("broken")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


def make_app(**options: Any) -> web.Application:
    app, sub = web.Application(**options), web.Application()
    app.router.add_get("/items/{id}", hello)
    app.router.add_get("/broken/{id}", fail)
    sub.router.add_get("/items/{id}", hello)
    app.add_subapp("/sub", sub)
    return app


async def ask(app: web.Application, *paths: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://example") as client:
        return [await client.get(path) for path in paths]


# OpenTelemetry


async def test_opentelemetry_counts_by_route() -> None:
    middleware = needs("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware
    metrics, export = needs("opentelemetry.sdk.metrics"), needs("opentelemetry.sdk.metrics.export")
    reader = export.InMemoryMetricReader()
    app = make_app()
    app.add_asgi_middleware(middleware, meter_provider=metrics.MeterProvider(metric_readers=[reader]))
    await ask(app, "/items/1", "/items/2", "/sub/items/3", "/broken/4", "/missing")
    points = {
        (point.attributes.get("http.target"), point.attributes["http.status_code"]): point.count
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "http.server.duration"
        for point in metric.data.data_points
    }
    assert points == {
        ("/items/{id}", 200): 2,
        ("/sub/items/{id}", 200): 1,
        ("/broken/{id}", 500): 1,
        (None, 404): 1,
    }


async def test_opentelemetry_spans() -> None:
    """A span begins before there is a route; a middleware of the application gives it the name."""
    middleware = needs("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware
    trace, sdk, export = (
        needs("opentelemetry.trace"),
        needs("opentelemetry.sdk.trace"),
        "opentelemetry.sdk.trace.export",
    )
    exporter = needs(f"{export}.in_memory_span_exporter").InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(needs(export).SimpleSpanProcessor(exporter))

    @web.middleware
    async def name_span(request: web.Request, handler: Any) -> web.StreamResponse:
        span, route = trace.get_current_span(), request.match_info.route.path
        if route is not None:
            span.update_name(f"{request.method} {route}")
            span.set_attribute("http.route", route)
        try:
            response: web.StreamResponse = await handler(request)
        except Exception as exc:
            if not isinstance(exc, web.HTTPException):
                span.record_exception(exc)
            raise
        return response

    app = make_app(middlewares=[name_span])
    app.add_asgi_middleware(middleware, tracer_provider=provider, exclude_spans=["receive", "send"])
    await ask(app, "/sub/items/3", "/broken/4", "/missing")
    spans = [
        (span.name, span.attributes.get("http.route"), span.status.status_code.name, [e.name for e in span.events])
        for span in exporter.get_finished_spans()
    ]
    assert spans == [
        ("GET /sub/items/{id}", "/sub/items/{id}", "UNSET", []),
        ("GET /broken/{id}", "/broken/{id}", "ERROR", ["exception"]),
        ("GET /missing", None, "UNSET", []),
    ]


# Sentry


@pytest.fixture
def reported() -> Iterator[list[tuple[str, Any]]]:
    """What Sentry would be sent: the kind of each item and its content."""
    sentry = needs("sentry_sdk")
    items: list[tuple[str, Any]] = []

    class Kept(needs("sentry_sdk.transport").Transport):  # type: ignore[misc]
        def capture_envelope(self, envelope: Any) -> None:
            items.extend((item.type, item.payload.json) for item in envelope.items)

    scope = needs("sentry_sdk.scope")
    with scope.isolation_scope(), scope.new_scope() as current:
        current.set_client(
            sentry.Client(
                dsn="http://key@sentry.invalid/1",
                transport=Kept,
                traces_sample_rate=1.0,
                default_integrations=False,
                auto_session_tracking=False,
                integrations=[needs("sentry_sdk.integrations.logging").LoggingIntegration()],
            )
        )
        yield items
        sentry.get_client().close()


async def test_sentry(reported: list[tuple[str, Any]]) -> None:
    app = make_app()
    app.add_asgi_middleware(needs("sentry_sdk.integrations.asgi").SentryAsgiMiddleware, transaction_style="url")
    await ask(app, "/items/1", "/sub/items/2", "/broken/3")
    transactions = [item["transaction"] for kind, item in reported if kind == "transaction"]
    assert transactions == ["/items/{id}", "/sub/items/{id}", "/broken/{id}"]
    # The exception comes by the log: the application has answered, and raises nothing.
    (event,) = [item for kind, item in reported if kind == "event"]
    (exception,) = event["exception"]["values"]
    assert (event["transaction"], exception["type"], exception["value"]) == ("/broken/{id}", "ValueError", "broken")
    assert exception["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["request"]["url"] == "http://example/broken/3"


async def test_sentry_of_what_is_mounted(reported: list[tuple[str, Any]]) -> None:
    starlette, routing = needs("starlette.applications"), needs("starlette.routing")

    async def broken(request: Any) -> Any:
        raise ValueError("broken")

    app = web.Application()
    app.mount("/in", starlette.Starlette(routes=[routing.Route("/broken/{id}", broken)]))
    app.add_asgi_middleware(needs("sentry_sdk.integrations.asgi").SentryAsgiMiddleware, transaction_style="url")
    with pytest.raises(ValueError, match="broken"):
        await ask(app, "/in/broken/3")
    assert {item["transaction"] for _, item in reported} == {"/in/broken/{id}"}


# Prometheus


async def test_prometheus() -> None:
    prometheus, exporter = needs("prometheus_client"), needs("starlette_exporter")
    app = make_app()
    app.mount("/metrics", prometheus.make_asgi_app())
    # What it does by route it asks a router of Starlette.
    app.add_asgi_middleware(
        exporter.PrometheusMiddleware, app_name="shop", group_paths=False, filter_unhandled_paths=False
    )
    *_, metrics = await ask(app, "/items/1", "/broken/2", "/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain; version=")
    counted = [line for line in metrics.text.splitlines() if line.startswith("starlette_requests_total{")]
    for path, status in (("/items/1", 200), ("/broken/2", 500)):
        labels = ('app_name="shop"', f'path="{path}"', f'status_code="{status}"')
        assert len([line for line in counted if all(label in line for label in labels)]) == 1


async def test_a_counter_by_route() -> None:
    """What docs/asgi.md shows: labels by route, which a middleware for Starlette's routers cannot know."""
    prometheus = needs("prometheus_client")
    registry = prometheus.CollectorRegistry()
    requests = prometheus.Counter("requests", "Requests", ["method", "route", "status"], registry=registry)

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        status = 500
        try:
            response: web.StreamResponse = await handler(request)
            status = response.status
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            requests.labels(request.method, request.match_info.route.path or "", status).inc()
        return response

    app = make_app(middlewares=[count])
    app.mount("/metrics", prometheus.make_asgi_app(registry))
    *_, metrics = await ask(app, "/sub/items/1", "/sub/items/2", "/broken/2", "/missing", "/metrics")
    assert [line for line in metrics.text.splitlines() if line.startswith("requests_total{")] == [
        'requests_total{method="GET",route="/sub/items/{id}",status="200"} 2.0',
        'requests_total{method="GET",route="/broken/{id}",status="500"} 1.0',
        'requests_total{method="GET",route="",status="404"} 1.0',
    ]
