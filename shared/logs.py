"""Structured logs: JSON lines on standard error, one wide line per request, message and batch, and for each attempt that failed."""

import logging
import sys
from typing import Any, Final

import orjson
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
    return event


class _NamedLogger(structlog.BytesLogger):
    """Writes lines to standard error, and knows the name of the module that asked for it."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr.buffer)
        self.name = name


def _named(*args: Any) -> _NamedLogger:
    return _NamedLogger(str(args[0]) if args else "root")


def _add_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


def _to_json(event: EventDict, **_options: Any) -> bytes:
    return orjson.dumps(event, default=repr)


_COMMON: Final[tuple[structlog.typing.Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_trace,
    structlog.processors.format_exc_info,
)


def configure(process: str, level: str) -> None:
    """Send structlog and the standard library's logging of this process to standard error as JSON.

    Our own lines do not pass through the standard library: each would cost four times as much.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_COMMON, _add_name, structlog.processors.JSONRenderer(serializer=_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_named,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    structlog.contextvars.bind_contextvars(process=process)
    # uvicorn's access line would repeat ours, and print links that are credentials.
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("aiormq", "aio_pika", "httpx", "httpcore", "uvicorn.error", "mail.log"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
