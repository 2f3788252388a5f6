"""OpenTelemetry: one trace from the dispatch call over the broker to the webhook and back."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

_PROPAGATOR = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("wian")
_exported = False


def configure(process: str, otlp_endpoint: str | None) -> None:
    """Install the providers for this process; without `otlp_endpoint` spans carry context but are not exported."""
    global _exported  # noqa: PLW0603 - set once, when the process starts, like the providers
    _exported = otlp_endpoint is not None
    resource = Resource.create({"service.name": f"wian-{process}"})
    # Nobody would see the spans: then only their identity is made, for logs and for the systems that are called.
    tracer_provider = TracerProvider(resource=resource, sampler=ALWAYS_OFF if otlp_endpoint is None else None)
    readers: list[PeriodicExportingMetricReader] = []
    if otlp_endpoint is not None:
        base = otlp_endpoint.rstrip("/")
        tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{base}/v1/metrics")))
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=readers))


def is_exported() -> bool:
    """Whether anybody gets this process's spans and measurements; if not, the hottest paths make none."""
    return _exported


def current_traceparent() -> str | None:
    """The W3C `traceparent` of the running span, or None outside any."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def _context_of(traceparent: str | None) -> Context | None:
    if traceparent is None:
        return None
    return _PROPAGATOR.extract({"traceparent": traceparent})


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Generator[Span]:
    """Run a block in a span; `parent` is a `traceparent` that came from elsewhere (default: the running span)."""
    with _tracer.start_as_current_span(name, context=_context_of(parent), kind=kind, attributes=attributes) as running:
        yield running
