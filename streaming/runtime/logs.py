"""Structured logs: one JSON object per line on standard error. Payloads and secrets are never logged."""

import logging
import sys

import structlog


def configure(level: str = "info", *, console: bool = False) -> None:
    """Set up logging for this process. `console` selects human-readable output."""
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger(**context: object) -> structlog.typing.FilteringBoundLogger:
    """A logger with `context` bound to every line."""
    return structlog.get_logger(**context)
