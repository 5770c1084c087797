"""Access loggers for the command line: their lines are seen even if the program has set up no logging."""

from __future__ import annotations

import logging

from framework.serving.access_log import AccessLogger
from framework.serving.json_access_log import JSONAccessLogger

__all__ = ["StderrAccessLogger", "StderrJSONAccessLogger"]


class StderrAccessLogger(AccessLogger):
    """An `AccessLogger` that writes to stderr where the program has not said where its log goes.

    It is made when the program has been imported and has started, which is when it may have said so.
    """

    def __init__(self, logger: logging.Logger, log_format: str = AccessLogger.LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        _write_to_stderr(logger)


class StderrJSONAccessLogger(JSONAccessLogger):
    """A `JSONAccessLogger` that writes to stderr where the program has not said where its log goes."""

    def __init__(self, logger: logging.Logger, log_format: str = AccessLogger.LOG_FORMAT) -> None:
        super().__init__(logger, log_format)
        _write_to_stderr(logger)


def _write_to_stderr(logger: logging.Logger) -> None:
    """Give ``logger`` a handler and the level INFO, unless the program has set up logging."""
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
