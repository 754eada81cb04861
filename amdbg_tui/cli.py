"""The command line. Everything but click is imported inside the command that needs it, so that help is quick.

Whatever a person may have got wrong is found before the screen opens, as far as that takes no time: it ends
in one line on stderr and exit status 2. What only the network can tell (nobody answers at an address) is
told on the screen, which opens at once; leaving a screen that never got to join prints that line and ends
with status 2, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from amdbg_tui import output
from amdbg_tui.doors_options import doors_options
from amdbg_tui.input_error import WRONG_INPUT, InputError
from amdbg_tui.settings import PROGRAM, Locations, Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from amdbg_tui.node import JoinRequest
    from amdbg_tui.node.debugger import DebuggerNode
    from ampubsub.machine import Machine

INTERRUPTED, CRASH = 130, 70
COMPLETE_VARIABLE = "_AMPUBSUB_TUI_COMPLETE"
UNUSABLE_TERMINALS = ("dumb", "unknown", "")


def main(arguments: Sequence[str] | None = None) -> None:
    """The program `ampubsub-tui`. Ends the process."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # Textual would take them for the size, and ignore resizing
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. No traceback reaches the person."""
    try:
        status = commands.main(
            arguments, prog_name=PROGRAM, standalone_mode=False, complete_var=COMPLETE_VARIABLE
        )
        output.finish()
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return complain(error.format_message(), WRONG_INPUT)
    except Exception as error:
        from amdbg_tui.history.tables import HistoryError

        if isinstance(error, HistoryError):
            return complain(str(error), WRONG_INPUT)
        lost = error.error if isinstance(error, output.Lost) else error
        if isinstance(lost, OSError) and output.is_of_output(lost):
            text, status = output.give_up(lost)
            return complain(text, status) if text else status
        from amdbg_tui.crash_report import write_crash_report

        path = write_crash_report(error, Locations().crashes)
        where = f"a report is in {path}" if path else "and no report could be written"
        return complain(f"it crashed ({type(error).__name__}: {error}); {where}", CRASH)


def complain(text: str, status: int) -> int:
    """One line on stderr, whatever the text holds; returns the status."""
    from amdbg_tui.safe_text import TEXT_CELLS, safe_text

    print(f"{PROGRAM}: {safe_text(' '.join(text.split()), TEXT_CELLS)}", file=sys.stderr, flush=True)
    return status


class _Group(click.Group):
    """Commands whose reader may go away: click would end with status 1 then, which means "not found" here."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises `output.Lost`."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if not output.is_of_output(error):
                raise
            raise output.Lost(error) from error


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Print the version.",
    callback=lambda context, _, wanted: _print_version(context) if wanted else None,
)
@click.pass_context
def commands(context: click.Context) -> None:
    """Join a topic of asyncmachine peers, and see every peer, machine and clock as it ticks."""
    if context.invoked_subcommand is None:
        raise InputError(
            f"no command given. Try '{PROGRAM} join ADDRESS', '{PROGRAM} demo' or '{PROGRAM} --help'."
        )


def _print_version(context: click.Context) -> None:
    from importlib import metadata

    try:
        version = metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"{PROGRAM} {version}")
    context.exit()


def _complete_themes(_: click.Context, __: click.Parameter, start: str) -> list[str]:
    return [name for name in Locations().theme_names() if name.startswith(start)]


def peer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that `join` and `peer` share."""
    for option in (
        click.option("--silent", is_flag=True, help="Only listen: publish nothing, answer nobody."),
        click.option(
            "--listen",
            multiple=True,
            metavar="ADDR",
            help="Listen here, such as /ip4/0.0.0.0/udp/41007/quic-v1. May be repeated.",
        ),
        click.option("--name", default="", metavar="NAME", help="What others may call this peer."),
        click.option(
            "--expose",
            multiple=True,
            metavar="FILE|module:object",
            type=click.Path(),
            help="Share machines of a TOML, YAML or JSON file, or a Python object. May be repeated.",
        ),
        click.option(
            "--topic",
            default="",
            metavar="NAME",
            help="The topic. Without it, what the dialled peer takes part in.",
        ),
    ):
        command = option(command)
    return click.argument("addresses", nargs=-1, metavar="ADDR...")(doors_options(command))


def screen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that opens the screen."""
    return click.option(
        "--theme", default="", metavar="NAME", shell_complete=_complete_themes, help="Colours, for this run."
    )(command)


@commands.command(short_help="Join a topic and open the screen.")
@peer_options
@screen_options
@click.option(
    "--dbg",
    "debugger",
    metavar="HOST:PORT",
    is_flag=False,
    flag_value="127.0.0.1:6831",
    default="",
    help="Also show programs that set AM_DBG_ADDR to this (alone: 127.0.0.1:6831).",
)
def join(theme: str, debugger: str, **options: Any) -> int:
    """Join a topic through ADDR..., each ending in /p2p/PEERID, and open the screen.

    With no ADDR, --topic is looked for among the peers met before, and with --mdns on this network;
    “find” shows who is there. Where nobody is, this is the first peer: others come to where it listens.

    Cost for the topic: one peer more that answers others and tells the machines it exposes, at most 10
    messages a second; with --silent none.
    """
    places = Locations()
    settings = _settings(places, theme)
    request = _request(places, settings, **options)
    _need_a_terminal("join", "; without one, “peer” prints what happens as JSON lines")
    return _open_screen(places, settings, request, debugger)


@commands.command(short_help="Open the screen on a demo network.")
@screen_options
def demo(theme: str) -> int:
    """Open the screen on a demo network of six peers on this machine, one of them yours."""
    places = Locations()
    settings = _settings(places, theme)
    _need_a_terminal("demo", "")
    from amdbg_tui.demo import TOPIC, DemoProcess
    from amdbg_tui.demo.cast import OWN_PEER, own_cast
    from amdbg_tui.node import JoinRequest

    cast = own_cast()
    with DemoProcess() as network:
        request = JoinRequest(
            topic=TOPIC,
            expose=cast.machines,
            name=OWN_PEER,
            listen=("/ip4/127.0.0.1/udp/0/quic-v1",),
            settings=settings.peer,
            find_addresses=network.addresses,
            live=cast.live,
        )
        return _open_screen(places, settings, request)


@commands.command(short_help="Take part without a screen: JSON lines.")
@peer_options
def peer(**options: Any) -> int:
    """Take part without a screen: one JSON line with id and addresses, then one for each event, until
    Ctrl-C.

    Mutations of the machines it exposes are read from standard input, one a line, such as
    “add lamp On brightness=3”; each gets one line with the event “answer” (docs/json.md).

    Cost for the topic: one peer more that tells its machines and answers others, at most 10 messages a
    second; with --silent none.
    """
    need_stdout()
    places = Locations()
    request = _request(places, _settings(places, ""), **options)
    from amdbg_tui.peer_command import run_peer

    return run_peer(request)


@commands.command(short_help="Show peers and topics of this network.")
@click.option(
    "--wait", default=2.0, type=click.FloatRange(0.1, 60), metavar="SECONDS", help="How long to look."
)
@click.option("--topic", multiple=True, metavar="NAME", help="Recognise this topic where it is announced.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def find(wait: float, topic: tuple[str, ...], as_json: bool) -> int:
    """Show the peers and topics of this network, then those of the address books, and how to join them.

    Looks for two seconds and announces nothing. Exit status 1 when nobody was found.
    """
    need_stdout()
    if wait != wait:
        raise InputError("--wait nan: how long to look, in seconds from 0.1 to 60")
    places = Locations()
    settings = _settings(places, "")
    from amdbg_tui.doors_options import mdns_settings
    from amdbg_tui.find_command import find as look

    mdns = mdns_settings(settings.discovery)
    return look(mdns, places.books, wait_s=wait, names=topic, as_json=as_json, program=PROGRAM)


@commands.group(short_help="Make the secret of a sealed topic.")
def secret() -> None:
    """Make and look at secrets: who holds the secret of a topic, and nobody else, takes part in it."""


@secret.command("new", short_help="Make a secret in a new file.")
@click.argument("file", type=click.Path())
def secret_new(file: str) -> None:
    """Make a secret in a new FILE, readable by its owner only."""
    need_stdout()
    from amdbg_tui.secret_command import new_secret

    new_secret(file)


@secret.command("show", short_help="Print which keys a secret holds.")
@click.argument("file", type=click.Path())
def secret_show(file: str) -> None:
    """Print the ids of the keys in FILE; never the keys."""
    need_stdout()
    from amdbg_tui.secret_command import show_secret

    show_secret(file)


@commands.command(short_help="Print where files live.")
def locate() -> None:
    """Print where settings, themes, histories and crash reports live."""
    places = Locations()
    for what, path in (
        ("settings", places.settings_file),
        ("themes", places.themes),
        ("bundled themes", places.bundled_themes),
        ("histories", places.history),
        ("address books", places.books),
        ("crash reports", places.crashes),
    ):
        click.echo(f"{what:<16}{path}{'' if path.exists() else '   (not there yet)'}")


@commands.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes the shell complete this program's words; the first line says how to use it."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    use = {
        "bash": f'eval "$({PROGRAM} completion bash)"     # in ~/.bashrc',
        "zsh": f'eval "$({PROGRAM} completion zsh)"      # in ~/.zshrc',
        "fish": f"{PROGRAM} completion fish | source      # in ~/.config/fish/config.fish",
    }[shell]
    source = kind(commands, {}, PROGRAM, COMPLETE_VARIABLE)
    click.echo(f"# {use}\n{source.source_template % source.source_vars()}")


def need_stdout() -> None:
    """For commands that only print. Raises `InputError` when nobody would read it."""
    if output.is_closed():
        raise InputError("stdout is closed: nobody would read the lines")


def _settings(places: Locations, theme: str) -> Settings:
    from dataclasses import replace

    try:
        settings = load_settings(places.settings_file)
    except SettingsError as error:
        raise InputError(str(error)) from error
    if theme:
        settings = replace(settings, theme=theme)
    names = places.theme_names()
    if settings.theme not in names:
        where = "--theme" if theme else str(places.settings_file)
        raise InputError(f"{where}: there is no theme {settings.theme}; known are {', '.join(names)}")
    return settings


def _request(
    places: Locations,
    settings: Settings,
    addresses: tuple[str, ...],
    topic: str,
    expose: tuple[str, ...],
    name: str,
    listen: tuple[str, ...],
    silent: bool,
    **ways: Any,
) -> JoinRequest:
    from amdbg_tui.doors_options import listen_for, make_doors
    from amdbg_tui.node import JoinRequest
    from ampubsub.transport.address import parse_dial_address, parse_listen_address
    from ampubsub.transport.interface import AddressError

    listen = tuple(dict.fromkeys(listen or settings.peer.listen))  # one address twice is one address
    doors = make_doors(places, settings.discovery, **ways)
    if not topic and doors.secret is not None:
        raise InputError("a sealed topic does not tell its name to those who dial: give it with --topic NAME")
    if not topic and not addresses and not doors.listed:
        raise InputError(
            f"whom to join? “{PROGRAM} find” shows who is there. Give an ADDR ending in /p2p/PEERID, or --topic NAME"
        )
    try:
        for address in addresses:
            parse_dial_address(address)
        for address in listen:
            _need_free_port(parse_listen_address(address), address)
    except AddressError as error:
        raise InputError(str(error)) from error
    if not listen and (not addresses or doors.mdns is not None):
        listen = listen_for(settings.discovery, mdns=doors.mdns is not None)
    return JoinRequest(
        addresses,
        topic,
        _load(expose),
        name or settings.peer.name,
        listen,
        silent or settings.peer.silent,
        settings.peer,
        doors,
    )


def _load(specs: Sequence[str]) -> tuple[Machine, ...]:
    if not specs:
        return ()
    from ampubsub.schema_files import SchemaFileError, load_machines

    machines: list[Machine] = []
    for spec in specs:
        try:
            machines += load_machines(spec)
        except SchemaFileError as error:
            raise InputError(str(error)) from error
    return tuple(machines)


def _need_free_port(address: Any, text: str) -> None:
    """Whether a listen address can be had, by binding it for a moment."""
    import socket

    if address.transport == "unix":
        return  # the transport says what is in the way, and removes a left-over file
    kind = socket.SOCK_DGRAM if address.transport == "quic-v1" else socket.SOCK_STREAM
    family = socket.AF_INET6 if address.family == "ip6" else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        import errno

        why = {
            errno.EADDRINUSE: "the port is in use",
            errno.EACCES: "ports below 1024 need rights that this user lacks",
            errno.EADDRNOTAVAIL: "that is no address of this machine",
        }.get(error.errno or 0, error.strerror or str(error))
        raise InputError(
            f"cannot listen on {text}: {why}; choose another, or port 0 for any free one"
        ) from error


def _need_a_terminal(command: str, instead: str) -> None:
    """Textual reads stdin and draws on stderr; both must be a terminal that knows how to move its cursor."""
    if not _is_terminal():
        raise InputError(f"{command} needs a terminal to draw on{instead}")
    if os.environ.get("TERM", "") in UNUSABLE_TERMINALS:
        kind = os.environ.get("TERM") or "not set"
        raise InputError(
            f"{command} cannot draw on this terminal (TERM is {kind}): set TERM, for example to xterm-256color"
        )


def _is_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def _open_screen(places: Locations, settings: Settings, request: JoinRequest, debugger: str = "") -> int:
    from amdbg_tui.app import App
    from amdbg_tui.lifecycle import open_history, run
    from amdbg_tui.node import Node

    history = open_history(places, settings.history)
    node: Node | DebuggerNode = (peer := Node(history.feed, request))
    if debugger:
        from amdbg_tui.debugger_command import listening

        try:
            node = listening(history, debugger, peer)
        except InputError:
            history.close()
            raise
    app = App(history, node, settings=settings, locations=places)
    return run(app, history, node, places, mouse=settings.mouse)


def _add_commands() -> None:
    from amdbg_tui.compare_command import compare
    from amdbg_tui.debugger_command import dbg
    from amdbg_tui.headless.asking import reach, what_if, why
    from amdbg_tui.headless.commands import ls, record, tail, watch
    from amdbg_tui.headless.diagnosis import doctor
    from amdbg_tui.recordings_command import export, open_recording, recordings

    for command in (
        dbg,
        ls,
        watch,
        tail,
        record,
        reach,
        what_if,
        why,
        doctor,
        open_recording,
        recordings,
        export,
        compare,
    ):
        commands.add_command(command)


_add_commands()


if __name__ == "__main__":
    main()
