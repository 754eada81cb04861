"""`ampubsub-tui open`, `recordings` and `export`: looking at what was recorded, without any network."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from amdbg_tui.history import History
    from amdbg_tui.history.recordings import Recording
    from amdbg_tui.history.records import MachineKey


def _input_error(text: str) -> Exception:
    from amdbg_tui.input_error import InputError

    return InputError(text)


def open_history(name: str) -> History:
    """A recording by path, name or title, to look at. Raises `InputError`."""
    from amdbg_tui.history import History, HistoryError
    from amdbg_tui.history.recordings import find
    from amdbg_tui.settings import Locations

    try:
        if name.endswith(".gob.br"):
            from amdbg_tui.dump_files import open_dump

            return open_dump(Path(name))
        return History.open(find(Locations().history, name))
    except HistoryError as error:
        raise _input_error(str(error)) from error


@click.command("open", short_help="Look at a recording.")
@click.argument("recording", metavar="FILE")
@click.option("--theme", default="", metavar="NAME", help="Colours, for this run.")
def open_recording(recording: str, theme: str) -> int:
    """Open the screen on a recording: no network, nothing is changed, also while it is being recorded.

    FILE is a path, or a name (or its beginning, or a title) that 'ampubsub-tui recordings' lists; or a dump that
    am-dbg exported (.gob.br).
    """
    from amdbg_tui.cli import _need_a_terminal, _settings
    from amdbg_tui.settings import Locations

    places = Locations()
    settings = _settings(places, theme)
    history = open_history(recording)
    try:
        _need_a_terminal("open", "; “export --lines” prints what was recorded as JSON lines")
        from amdbg_tui.app import App
        from amdbg_tui.lifecycle import run

        history.follow()
        app = App(history, None, settings=settings, locations=places, now=lambda: history.live.wall_s)
        return run(app, history, None, places, mouse=settings.mouse)
    finally:
        history.close()


@click.group(invoke_without_command=True, short_help="List recordings, keep them for good.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each.")
@click.pass_context
def recordings(context: click.Context, as_json: bool) -> None:
    """List what was recorded, the newest first."""
    if context.invoked_subcommand is not None:
        return
    from amdbg_tui.cli import need_stdout
    from amdbg_tui.history.recordings import recordings_in
    from amdbg_tui.settings import Locations

    need_stdout()
    folder = Locations().history
    known = recordings_in(folder) if folder.is_dir() else []
    if as_json:
        for one in known:
            click.echo(json.dumps(_as_json(one)))
        return
    if not known:
        click.echo(f"there are no recordings in {folder} yet")
        return
    click.echo(f"{'name':<28}{'began':<21}{'lasted':>8}  {'records':>10}  {'size':>9}  topic")
    for one in known:
        click.echo(_row(one))


@recordings.command(short_help="Keep a recording for good.")
@click.argument("recording", metavar="NAME")
@click.option("--title", default=None, help="What to call it.")
def pin(recording: str, title: str | None) -> None:
    """Keep a recording for good: it is never deleted to make room."""
    _note(recording, True, title)


@recordings.command(short_help="Let a recording go when room is needed.")
@click.argument("recording", metavar="NAME")
def unpin(recording: str) -> None:
    """Let a recording be deleted when room is needed."""
    _note(recording, False, None)


def _note(name: str, pinned: bool, title: str | None) -> None:
    from amdbg_tui.history import HistoryError
    from amdbg_tui.history.notes import Notes
    from amdbg_tui.history.recordings import find
    from amdbg_tui.settings import Locations

    try:
        path = find(Locations().history, name)
    except HistoryError as error:
        raise _input_error(str(error)) from error
    if not path.is_file():
        raise _input_error(f"there is no recording {path}")
    notes = Notes(path)
    if title is not None:
        notes.title = " ".join(title.split())
    try:
        notes.pin(pinned)
    except OSError as error:
        raise _input_error(f"cannot write {notes.path}: {error.strerror}") from error
    click.echo(f"{path.name} {'stays' if pinned else 'goes when room is needed'}")


def _row(one: Recording) -> str:
    from amdbg_tui.safe_text import safe_text

    if one.trouble:
        return f"{one.path.name:<28}{safe_text(one.trouble, 200)}"
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.start_s))
    marks = [
        *(
            ["● being recorded"]
            if one.is_recorded
            else []
            if one.is_ended or one.format == 1
            else ["not ended in order"]
        ),
        *(["pinned"] if one.pinned else []),
        *([f"“{safe_text(one.title)}”"] if one.title else []),
        *([f"{one.bookmarks} bookmarks"] if one.bookmarks else []),
        *([f"{one.losses} losses"] if one.losses else []),
        *(["format 1"] if one.format == 1 else []),
    ]
    text = (
        f"{one.path.name:<28}{began:<21}{lasting(one.lasted_s):>8}  {one.records:>10,}  {size(one.bytes):>9}"
    )
    return f"{text}  {safe_text(one.topic)}{'  · ' if marks else ''}{' · '.join(marks)}"


def _as_json(one: Recording) -> dict[str, Any]:
    from dataclasses import asdict

    values = asdict(one)
    values["path"] = str(one.path)
    values["coverage"] = {kind.value: covered for kind, covered in values["coverage"].items()}
    return values


def lasting(seconds: float) -> str:
    """`59 s`, `12:05`, `3:02:11`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def size(count: int) -> str:
    """`812 B`, `3.4 MB`."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"


@click.command(short_help="Write a part of a recording to a file.")
@click.argument("recording", metavar="FILE")
@click.argument("target", metavar="[TARGET]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--from", "begin", default="", metavar="WHEN", help="A number, HH:MM:SS, YYYY-MM-DD HH:MM:SS, or 40%."
)
@click.option("--until", "end", default="", metavar="WHEN", help="As --from.")
@click.option(
    "--machine", "machines", multiple=True, metavar="ID", help="Only this machine. May be repeated."
)
@click.option(
    "--redact", is_flag=True, help="Leave out arguments' values, log texts, errors, addresses and messages."
)
@click.option("--lines", is_flag=True, help="Print JSON lines instead of writing a recording.")
def export(
    recording: str,
    target: Path | None,
    begin: str,
    end: str,
    machines: tuple[str, ...],
    redact: bool,
    lines: bool,
) -> None:
    """Write a part of a recording to TARGET, a recording of its own that 'open' reads; or print it as JSON lines.

    A TARGET that ends in .gob.br is written for am-dbg.
    """
    from amdbg_tui.history import HistoryError
    from amdbg_tui.history.export import export as write

    if (target is None) is not lines:
        raise _input_error("name a TARGET to write to, or --lines to print")
    with open_history(recording) as history:
        first = number_of(history, begin) if begin else 1
        last = number_of(history, end) if end else history.last
        keys = machines_of(history, machines) if machines else None
        if first > last:
            raise _input_error(f"nothing is between --from {begin} and --until {end}")
        if lines:
            _print_lines(history, first, last, keys, redact)
            return
        assert target is not None
        if target.name.endswith(".gob.br"):
            _export_dump(history, target, first, last, keys, redact)
            return
        try:
            done = write(history, target, first=first, last=last, machines=keys, redact=redact)
        except HistoryError as error:
            raise _input_error(str(error)) from error
    click.echo(f"{done.records:,} records, {done.first:,} to {done.last:,}, are in {target}")


def _export_dump(
    history: History, target: Path, first: int, last: int, keys: Sequence[MachineKey] | None, redact: bool
) -> None:
    from amdbg_tui.dump_files import export_dump
    from amdbg_tui.history import HistoryError

    if redact:
        raise _input_error(
            "a dump for am-dbg cannot be redacted: export a recording with --redact first, and that one"
        )
    if target.exists():
        raise _input_error(f"{target} is there already: name another file")
    try:
        count = export_dump(history, target, first, last, keys)
    except HistoryError as error:
        raise _input_error(str(error)) from error
    click.echo(f"{count:,} transitions are in {target}; am-dbg --import-data reads it")


def _print_lines(
    history: History, first: int, last: int, keys: Sequence[MachineKey] | None, redact: bool
) -> None:
    from amdbg_tui.cli import need_stdout
    from amdbg_tui.history.export import chosen
    from amdbg_tui.history.lines import line_of

    need_stdout()
    for entry in chosen(history.cursor(), first, last, keys, redact):
        click.echo(line_of(entry))


def machines_of(history: History, names: Sequence[str]) -> list[MachineKey]:
    """Keys of machines by id, `PEER/ID` where an id is not unique. Raises `InputError`."""
    known = history.live.machines
    found: list[MachineKey] = []
    for name in names:
        peer, _, identity = name.rpartition("/")
        keys = [
            key
            for key, machine in known.items()
            if machine.record.machine_id == identity and (not peer or _is_of(history, key, peer))
        ]
        if not keys:
            raise _input_error(f"there is no machine {name} in this recording")
        if len(keys) > 1 and not peer:
            peers = ", ".join(f"{_name_of(history, key)}/{identity}" for key in keys[:8])
            raise _input_error(f"there are {len(keys)} machines {name}: say which, {peers}")
        found += keys
    return found


def _is_of(history: History, key: MachineKey, peer: str) -> bool:
    known = history.live.peers.get(key.peer_id)
    return key.peer_id.endswith(peer) or (known is not None and known.record.name == peer)


def _name_of(history: History, key: MachineKey) -> str:
    known = history.live.peers.get(key.peer_id)
    return known.record.name if known is not None and known.record.name else key.peer_id[-8:]


def number_of(history: History, when: str) -> int:
    """The number of a record by number, time of day, date and time, or percentage. Raises `InputError`."""
    if when.isdigit():
        return int(when)
    if match := re.fullmatch(r"(\d{1,3})%", when):
        first = max(history.first, 1)
        return first + (history.last - first) * min(int(match[1]), 100) // 100
    end = time.localtime(history.time_of(history.last))
    day = time.strftime("%Y-%m-%d ", end)
    fraction = re.search(r"\.\d+$", when)
    plain = when[: fraction.start()] if fraction else when
    for text, shape in (
        (plain, "%Y-%m-%d %H:%M:%S"),
        (day + plain, "%Y-%m-%d %H:%M:%S"),
        (day + plain, "%Y-%m-%d %H:%M"),
    ):
        try:
            at_s = time.mktime(time.strptime(text, shape)) + float(fraction[0] if fraction else 0)
        except ValueError:
            continue
        return max(history.number_at(at_s), 1)
    raise _input_error(f"{when} is neither a record's number, nor a time as 16:58:28, nor a percentage")
