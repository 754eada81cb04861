"""Which arguments of a mutation are worth a place in the log, and how they look there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ampubsub.machine.options import LogArgsMapper

_SHORTEST_WITH_DOTS = 5


def log_text(value: object) -> str:
    """A value as Go prints it: `<nil>`, `true`, `[a b]`, `map[k:v]`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if value != int(value) or abs(value) >= 1e21 else str(int(value))
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{log_text(key)}:{log_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(log_text, value)) + "]"
    return str(value)


def cut(text: str, longest: int) -> str:
    """At most `longest` characters, ending in dots where there is room for them."""
    if len(text) <= longest:
        return text
    return text[:longest] if longest < _SHORTEST_WITH_DOTS else text[: longest - 3] + "..."


def args_mapper(names: Iterable[str], longest: int = 20) -> LogArgsMapper:
    """A mapper for `Options.log_args`: these arguments, each cut to `longest` characters."""
    wanted = tuple(names)

    def mapper(args: Mapping[str, object]) -> Mapping[str, str]:
        return {name: cut(log_text(args[name]), longest) for name in wanted if name in args}

    return mapper


def format_args(args: Mapping[str, str]) -> str:
    """` (a=1 b=2)`, sorted by name; empty for no arguments."""
    return f" ({' '.join(f'{name}={args[name]}' for name in sorted(args))})" if args else ""
