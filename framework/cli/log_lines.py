"""Access loggers for the command line: their lines are seen even if the program has set up no logging."""

from __future__ import annotations

import logging

from framework.serving.access_loggers import AbstractAccessLogger, AccessLogger
from framework.serving.json_access_log import JSONAccessLogger

__all__ = ["StderrAccessLogger", "StderrJSONAccessLogger"]


class _OnStderr(AbstractAccessLogger):
    """Writes to stderr where the program has not said where its log goes.

    That is found out with the first request: by then the program has been imported, and has started.
    """

    _is_set_up = False

    @property
    def enabled(self) -> bool:
        """As the class that writes the lines has it."""
        if not self._is_set_up:
            self._is_set_up = True
            _write_to_stderr(self.logger)
        return super().enabled


class StderrAccessLogger(_OnStderr, AccessLogger):
    """An `AccessLogger` that writes to stderr where the program has set up no logging."""


class StderrJSONAccessLogger(_OnStderr, JSONAccessLogger):
    """A `JSONAccessLogger` that writes to stderr where the program has set up no logging."""


def _write_to_stderr(logger: logging.Logger) -> None:
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
