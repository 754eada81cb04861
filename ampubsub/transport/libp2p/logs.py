"""py-libp2p's and aioquic's log lines go through our logger, and none onto the terminal by itself.

py-libp2p calls an unreachable peer an error and writes some lines to the root logger, whose first use
installs a handler that prints. What they log arrives as `ampubsub.transport.libp2p...`, at most as INFO:
what matters to a person is an event or a warning of our own.
"""

from __future__ import annotations

import importlib
import logging
import types
from typing import Any

OURS = "ampubsub.transport"
_THEIRS = ("libp2p", "quic", "http3", "multiaddr")


class Forward(logging.Handler):
    """Hands a foreign record to our logger under a name below it, and never louder than INFO."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record, if our logger wants it."""
        logger = logging.getLogger(f"{OURS}.{record.name}")
        level = min(record.levelno, logging.INFO)
        if logger.isEnabledFor(level):
            copy = logging.makeLogRecord(record.__dict__)
            copy.name, copy.levelno, copy.levelname = logger.name, level, logging.getLevelName(level)
            logger.handle(copy)


def route_foreign_loggers() -> None:
    """Send the loggers of the libraries below us through ours. May be called again."""
    ours = logging.getLogger(OURS)
    if not ours.handlers:
        ours.addHandler(logging.NullHandler())
    for name in _THEIRS:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, Forward) for handler in logger.handlers):
            logger.addHandler(Forward())
        logger.propagate = False
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def silence_root_logging() -> None:
    """Some of py-libp2p's lines use `logging.debug` and `logging.warning` of the root logger.

    The first such call installs a handler that prints every warning of the process. Their `logging` is
    replaced by one logger of libp2p, which `route_foreign_loggers` has routed.
    """
    module: Any = importlib.import_module("libp2p.network.connection.swarm_connection")
    logger = logging.getLogger("libp2p.network.connection")
    module.logging = types.SimpleNamespace(debug=logger.debug, warning=logger.warning)
