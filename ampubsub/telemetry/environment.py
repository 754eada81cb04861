"""The environment variables of asyncmachine's telemetry, read as Go reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ampubsub.machine import LogLevel
from ampubsub.telemetry.limits import DEFAULT_PORT

ADDRESS_VARIABLE = "AM_DBG_ADDR"
LOG_VARIABLE = "AM_LOG"
FULL_VARIABLE = "AM_LOG_FULL"


class DebuggerAddressError(ValueError):
    """`AM_DBG_ADDR`, or an address given by hand, is not `HOST:PORT`."""


@dataclass(frozen=True, slots=True)
class TelemetryWishes:
    """What a program shall tell, and where."""

    host: str
    port: int
    log_level: LogLevel = LogLevel.CHANGES
    steps: bool = False
    checks: bool = False
    queued: bool = False


def read_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `HOST` or `PORT`; `1` is am-dbg's own on this machine. Raises `DebuggerAddressError`."""
    if text == "1":
        return "127.0.0.1", DEFAULT_PORT
    host, separator, port = text.rpartition(":")
    if not separator:
        host, port = ("", text) if text.isdigit() else (text, str(DEFAULT_PORT))
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise DebuggerAddressError(
            f"debugger address {text!r}: write HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}"
        )
    host = host.strip("[]")
    return "127.0.0.1" if host in ("", "localhost") else host, int(port)


def wishes(environment: Mapping[str, str]) -> TelemetryWishes | None:
    """What the environment asks for; None when it names no debugger. Raises `DebuggerAddressError`.

    `AM_LOG` is the level of log lines (0 to 5, default 2); `AM_LOG_FULL=1` is all of `AM_LOG_STEPS`, `AM_LOG_CHECKS` and
    `AM_LOG_QUEUED`. Arguments are always told, cut short; stack traces never (Go: as `AM_LOG_ARGS`, `AM_DBG_NO_TRACE` say).
    """
    address = environment.get(ADDRESS_VARIABLE, "")
    if not address or environment.get("AM_TEST_RUNNER"):
        return None
    host, port = read_address(address)
    full = bool(environment.get(FULL_VARIABLE))
    level = environment.get(LOG_VARIABLE, "")
    return TelemetryWishes(
        host,
        port,
        log_level=LogLevel(min(int(level), 5)) if level.isdigit() else LogLevel.CHANGES,
        steps=full or bool(environment.get("AM_LOG_STEPS")),
        checks=full or bool(environment.get("AM_LOG_CHECKS")),
        queued=full or bool(environment.get("AM_LOG_QUEUED")),
    )
