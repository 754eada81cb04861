"""The screen under load, in a real terminal: a pseudo-terminal that this program reads like a person would.

1,000 peers with 3 machines of 30 states each; 10,000 clock changes a second and every peer's figures once a second are fed
to the screen's side while keys are pressed. Measured: key to painted bytes, a step in time to painted bytes, the share of a
core, records lost, first paint, and an idle screen.

    python -m benchmarks.tui [seconds]
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

PEERS, MACHINES, STATES, RATE = 1_000, 3, 30, 10_000
COLUMNS, LINES = 140, 40
PANES = (b"1", b"2", b"3", b"4")
MOVES = (b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[5~", b"\x1bw")
BACK, LIVE = b"\x1b[D", b"\x1bv"
THEN = "◀ AT".encode()
"""Painted only while another moment than the present is shown."""
"""Between two measured keys one of these, so that machines and scopes change too."""
NOBODY = "/ip4/127.0.0.1/udp/9/quic-v1/p2p/12D3KooWQRpAaGmrJeoEr1HtED6mLNfpee7LPPF1Z4twbX5pmbWP"
JOIN = ["-m", "amdbg_tui.cli", "join", NOBODY, "--topic", "bench"]
TRIVIAL = [
    "-c",
    "from textual.app import App; from textual.widgets import Static\n"
    "class Trivial(App):\n    def compose(self):\n        yield Static('x' * 500)\n"
    "Trivial().run()",
]
ALTERNATE = b"\x1b[?1049h"
"""The terminal is switched to the program's own screen."""
A_FRAME = 400
"""Bytes after that switch that make a first frame."""
FOCUSED = "╔".encode()
"""The corner of the frame of the pane that has the focus: painted only as the answer to a key."""


def child(report: str, rate: int) -> None:
    """The program with a feeding thread instead of a peer."""
    from amdbg_tui.app import App
    from amdbg_tui.history import History
    from amdbg_tui.history.records import (
        ConnectionRecord,
        MachineKey,
        MachineRecord,
        PeerDetailRecord,
        PeerRecord,
        Record,
        StateShape,
        TransitionRecord,
    )

    folder = tempfile.mkdtemp()
    history = History(Path(folder) / "history.sqlite")
    shapes = tuple(StateShape(f"State{place}") for place in range(STATES))
    now = time.time()
    first: list[Record] = [ConnectionRecord(now, "joined", "bench", "self")]
    keys = []
    for peer in range(PEERS):
        name = f"peer-{peer}"
        first.append(PeerRecord(now, name, "joined", name))
        for slot in range(MACHINES):
            keys.append(MachineKey(name, slot))
            first.append(
                MachineRecord(now, keys[-1], f"m-{peer}-{slot}", shapes, "first-hand", clock=(0,) * STATES)
            )
    history.append(first)
    history.refresh()
    sys.setswitchinterval(0.001)  # as the node does
    over = threading.Event()
    fed = [0]

    def feed() -> None:
        dice = random.Random(1)
        clocks = {key: [0] * STATES for key in keys}
        begin = time.monotonic()
        told = 0
        while not over.wait(0.02) and rate:
            figures = int((time.monotonic() - begin) * PEERS) - told
            detailed = [f"peer-{(told + at) % PEERS}" for at in range(figures)]
            told += figures
            history.feed(
                PeerDetailRecord(
                    time.time(), name, (), "quic-v1", dice.random() / 10, messages_in=(("updates", told),)
                )
                for name in detailed
            )
            due = int((time.monotonic() - begin) * rate) - fed[0]
            batch = []
            for _ in range(due):
                key = dice.choice(keys)
                before = tuple(clocks[key])
                clocks[key][dice.randrange(STATES)] += 1
                after = tuple(clocks[key])
                batch.append(
                    TransitionRecord(
                        time.time(), key, "", "clock", (), True, before, after, derived=True,
                        source=key.peer_id, trust="first-hand",
                    )
                )  # fmt: skip
            history.feed(batch)
            fed[0] += due

    class Measured(App):
        def on_mount(self) -> None:
            super().on_mount()
            self.begun = (time.process_time(), time.monotonic())
            threading.Thread(target=feed, daemon=True).start()

    app = Measured(history)
    if "PROFILE" in os.environ and rate:
        import cProfile

        profile = cProfile.Profile()
        profile.runcall(app.run, mouse=False)
        profile.dump_stats(os.environ["PROFILE"])
    else:
        app.run(mouse=False)
    cpu, wall = (
        now - then for now, then in zip((time.process_time(), time.monotonic()), app.begun, strict=True)
    )
    over.set()
    time.sleep(0.1)
    history.flush()
    while history.behind:
        history.refresh()
    kept = history.live.transitions
    figures = {
        "error": repr(app._exception) if app._exception else "",
        "cpu_share": round(cpu / wall, 3),
        "frames": app.frames.painted,
        "slowest_frame_ms": round(app.frames.slowest_s * 1000, 1),
        "fed": fed[0],
        "kept": kept,
        "merged": history.merged,
    }
    Path(report).write_text(json.dumps(figures))
    history.close()


def drive(seconds: float, rate: int) -> dict[str, object]:
    """Start the program in a pseudo-terminal, press keys, and read what it paints."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # a second start reads what the first one compiled
        env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        begin = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.tui", "--child", report.name, str(rate)],
            stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        seen = b""
        while b"Machines" not in seen and time.monotonic() - begin < 20:
            if select.select([master], [], [], 0.05)[0]:
                seen += os.read(master, 1 << 16)
        first_paint = time.monotonic() - begin
        _drain(master, 1.0)
        latencies = []
        dice = random.Random(2)
        end = time.monotonic() + seconds
        at = 0
        while time.monotonic() < end and rate:
            os.write(master, dice.choice(MOVES))
            _drain(master, dice.uniform(0.15, 0.35))
            at = (at + 1) % len(PANES)
            pressed = time.monotonic()
            os.write(master, PANES[at])
            seen = b""
            while FOCUSED not in seen and time.monotonic() - pressed < 2:
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 1 << 16)
            latencies.append((time.monotonic() - pressed) * 1000)
        steps = []
        for _ in range(20 if rate else 0):
            pressed = time.monotonic()
            os.write(master, BACK)
            seen = b""
            while THEN not in seen and time.monotonic() - pressed < 2:
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 1 << 16)
            steps.append((time.monotonic() - pressed) * 1000)
            os.write(master, LIVE)
            _drain(master, 0.3)
        if not rate:
            _drain(master, seconds)
        os.write(master, b"\x11")
        _drain(master, 3.0, process)
        process.wait(10)
        figures: dict[str, object] = json.loads(Path(report.name).read_text() or "{}")
    os.close(master)
    figures["first_paint_s"] = round(first_paint, 3)
    if steps:
        figures["step_p50_ms"] = round(sorted(steps)[len(steps) // 2], 1)
    if latencies:
        latencies.sort()
        figures |= {
            "keys": len(latencies),
            "key_p50_ms": round(latencies[len(latencies) // 2], 1),
            "key_p99_ms": round(latencies[int(len(latencies) * 0.99)], 1),
            "key_max_ms": round(latencies[-1], 1),
        }
    return figures


def first_paint(command: list[str]) -> float:
    """Seconds from starting a program until its first frame is on the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE")}
    env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command], stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
    )
    os.close(slave)
    seen = b""
    while len(seen.partition(ALTERNATE)[2]) < A_FRAME and time.monotonic() - begin < 20:
        if select.select([master], [], [], 0.05)[0]:
            seen += os.read(master, 1 << 16)
    took = time.monotonic() - begin
    process.kill()
    process.wait()
    os.close(master)
    return took


def _drain(master: int, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if process is not None and process.poll() is not None:
            return
        try:
            if select.select([master], [], [], min(left, 0.1))[0]:
                os.read(master, 1 << 16)
        except OSError:
            return


def main() -> None:
    """Measure under load and idle."""
    if "--child" in sys.argv:
        at = sys.argv.index("--child")
        child(sys.argv[at + 1], int(sys.argv[at + 2]))
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    drive(1.0, 0)  # compiles what is not yet compiled
    load, idle = drive(seconds, RATE), drive(min(seconds, 10.0), 0)
    print(
        f"{PEERS} peers x {MACHINES} machines x {STATES} states, {RATE:,} clock changes a second, {COLUMNS}x{LINES}"
    )
    rows = (
        ("key to painted, p50", f"{load['key_p50_ms']} ms", ""),
        ("key to painted, p99", f"{load['key_p99_ms']} ms of {load['keys']} keys", "< 80 ms"),
        ("a step in time to painted, p50", f"{load['step_p50_ms']} ms", "< 50 ms"),
        ("share of one core, feeder included", f"{load['cpu_share']:.0%}", "< 60 %"),
        ("merged into another because the disk was behind", f"{load['merged']:,}", ""),
        ("records fed, lost", f"{load['fed']:,}, {int(str(load['fed'])) - int(str(load['kept']))}", "0 lost"),
        ("share of one core, idle", f"{idle['cpu_share']:.1%}", "< 1.5 %"),
        ("first paint, 3,000 machines made before it", f"{idle['first_paint_s']} s", ""),
        ("first paint of `join`", f"{min(first_paint(JOIN) for _ in range(5)):.2f} s", "< 0.5 s"),
        (
            "first paint of an app that does nothing",
            f"{min(first_paint(TRIVIAL) for _ in range(5)):.2f} s",
            "",
        ),
    )
    for what, figure, goal in rows:
        print(f"{what:42} {figure:>28}  {goal}")
    for name, figures in (("load", load), ("idle", idle)):
        if figures["error"]:
            print(f"{name}: {figures['error']}")


if __name__ == "__main__":
    main()
