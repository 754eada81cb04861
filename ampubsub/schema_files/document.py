"""Reads a TOML, YAML or JSON file into plain tables, lists and words, with line numbers where they are known.

Nothing here knows of machines. YAML words stay the words that were written: `On`, `off` and `404` are
names, not truth values or numbers; whoever wants a truth value asks `truth` for it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ampubsub.schema_files.errors import FileLimits, SchemaFileError

SUFFIXES = (".toml", ".yaml", ".yml", ".json")


class Table(dict[str, object]):
    """A mapping that remembers the line of each key, when the format tells it."""

    lines: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.lines = {}


class Word(str):
    """An unquoted YAML word: a name, or a truth value where one is wanted."""

    __slots__ = ()


def read_document(path: Path, limits: FileLimits) -> object:
    """The file's content. Raises `SchemaFileError` for a file that cannot be read or parsed."""
    text = _read_text(path, limits)
    try:
        match path.suffix.lower():
            case ".toml":
                document: object = _toml(path, text)
            case ".json":
                document = _json(path, text)
            case _:
                return _Yaml(path, limits).read(text)
    except RecursionError:
        raise SchemaFileError(f"{path}: nested too deeply (at most {limits.depth} levels)") from None
    _measure(path, document, limits)
    return document


def truth(value: object) -> bool | None:
    """The truth value that was written, or None when it is something else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Word) and value.lower() in ("true", "yes", "on", "false", "no", "off"):
        return value.lower() in ("true", "yes", "on")
    return None


def line_of(table: object, key: str) -> int | None:
    """The line on which `key` of a table stands, counted from 1; None when unknown."""
    return table.lines.get(key) if isinstance(table, Table) else None


def _read_text(path: Path, limits: FileLimits) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limits.bytes + 1)
    except FileNotFoundError:
        raise SchemaFileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SchemaFileError(f"{path}: is a folder; name a file in it") from None
    except OSError as error:
        raise SchemaFileError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > limits.bytes:
        raise SchemaFileError(
            f"{path}: larger than {limits.bytes >> 10} KiB, the most a schema file may have"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SchemaFileError(f"{path}:{line}: not UTF-8 text") from None


def _toml(path: Path, text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        place = f"{path}:{found[1]}" if found else str(path)
        problem = re.sub(r" \(at .*\)$", "", str(error))
        raise SchemaFileError(f"{place}: not valid TOML: {problem}") from None


def _json(path: Path, text: str) -> object:
    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made: dict[str, object] = {}
        for key, value in pairs:
            if key in made:
                raise SchemaFileError(f"{path}: {key!r} is written twice in one object; keep one of them")
            made[key] = value
        return made

    try:
        parsed: object = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        raise SchemaFileError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except ValueError as error:  # An integer of thousands of digits.
        raise SchemaFileError(f"{path}: not valid JSON: {str(error).splitlines()[0]}") from None
    return parsed


def _measure(path: Path, document: object, limits: FileLimits) -> None:
    """Refuse what is nested too deeply; the size of the file bounds how much there is."""
    level: list[object] = [document]
    for _ in range(limits.depth):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise SchemaFileError(f"{path}: nested too deeply (at most {limits.depth} levels)")


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


class _Yaml:
    """One YAML file. PyYAML is imported when the first one is read."""

    def __init__(self, path: Path, limits: FileLimits) -> None:
        self.path = path
        self.limits = limits
        self.left = limits.nodes

    def read(self, text: str) -> object:
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._check_depth(yaml.parse(text, Loader=loader))
            root = yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = None if mark is None else mark.line + 1
            raise self._refused(line, f"not valid YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise self._refused(None, f"not valid YAML: {' '.join(str(error).split())}") from None
        return None if root is None else self._value(root, self.limits.depth)

    def _refused(self, line: int | None, problem: str) -> SchemaFileError:
        place = self.path if line is None else f"{self.path}:{line}"
        return SchemaFileError(f"{place}: {problem}")

    def _check_depth(self, events: Iterable[object]) -> None:
        """PyYAML composes by recursion, so depth is looked at first, in the flat stream of events."""
        import yaml

        depth = 0
        for event in events:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > self.limits.depth:
                    raise self._too_deep(event.start_mark.line + 1)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _too_deep(self, line: int) -> SchemaFileError:
        return self._refused(line, f"nested too deeply (at most {self.limits.depth} levels)")

    def _value(self, node: object, depth: int) -> object:
        import yaml

        assert isinstance(node, yaml.Node)
        line = node.start_mark.line + 1
        self.left -= 1
        if self.left < 0:
            raise self._refused(line, f"more than {self.limits.nodes} values, aliases counted")
        if depth < 0:  # Only an alias that holds itself comes here.
            raise self._too_deep(line)
        if isinstance(node, yaml.ScalarNode):
            if node.style:
                return str(node.value)
            return None if node.tag == "tag:yaml.org,2002:null" else Word(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, depth - 1) for child in node.value]
        table = Table()
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._refused(key_line, "a key must be a word")
            key = str(key_node.value)
            if key in table:
                raise self._refused(key_line, f"{key!r} is written twice; keep one of them")
            table[key] = self._value(value_node, depth - 1)
            table.lines[key] = key_line
        return table
