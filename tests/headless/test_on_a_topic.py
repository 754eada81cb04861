"""Answers without a screen, from a topic on the in-memory network; nothing is published."""

from __future__ import annotations

import json
import threading

import pytest
import trio

from amdbg_tui.answers import machine_checks
from amdbg_tui.answers.expression import Expression
from amdbg_tui.headless import source as sources
from amdbg_tui.headless.choice import Choice
from amdbg_tui.headless.diagnosis import follow
from amdbg_tui.headless.source import SourceError, open_source
from amdbg_tui.headless.watching import watch_live
from ampubsub import Machine, State, Topic

pytestmark = pytest.mark.network


class Home:
    """A peer with a lamp, in a thread of its own."""

    def __init__(self) -> None:
        self.address = ""
        self._ready = threading.Event()
        self._token = None
        self._done = None
        self.dropped = {}
        self.heard: list[str] = []
        self._thread = threading.Thread(target=trio.run, args=(self._run,))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_) -> None:
        self._token.run_sync_soon(self._done.set)
        self._thread.join(20)

    def do(self, what) -> None:
        self._token.run_sync_soon(what)

    async def _run(self) -> None:
        self.lamp = Machine({"On": State(), "Power": State()}, id="lamp")
        self._done = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        async with Topic("home", expose=[self.lamp], listen=["/ip4/127.0.0.1/udp/0/quic-v1"]) as topic:
            await topic.join()
            topic.watch(lambda event: self.heard.append(type(event).__name__))
            (self.address,) = topic.addresses
            self._ready.set()
            await self._done.wait()
            others = [peer for peer_id, peer in topic.peers.items() if peer_id != topic.peer_id]
            self.messages = sum(sum(peer.messages_in.values()) for peer in others)


@pytest.fixture
def home():
    with Home() as home:
        yield home
    assert home.messages == 0, "the command said something on the topic"


def test_a_topic_is_listed_and_watched_in_silence(home, capsys) -> None:
    with open_source((home.address,)) as source:
        assert source.settle(20.0).joined
        (lamp,) = Choice(id_exact="lamp").machines(source.live)
        assert set(lamp.names) >= {"On", "Power"}
        home.do(lambda: home.lamp.add("On"))
        assert watch_live(source, Expression("lamp.On"), True, True, 20.0)
        home.do(lambda: home.lamp.remove("On"))
        assert not watch_live(source, Expression("lamp.Power"), True, True, 0.5)
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(hit["expression"], hit["is_true"]) for hit in hits] == [("lamp.On", True)]


def test_a_topic_is_examined_in_silence_and_each_finding_is_told_once(home, capsys, monkeypatch) -> None:
    monkeypatch.setattr(machine_checks, "ERROR_S", 0.2)
    with open_source((home.address,)) as source:
        assert source.settle(20.0).joined
        assert follow(source, True, 1.2) == []
        home.do(lambda: home.lamp.add_err(RuntimeError("bulb")))
        assert watch_live(source, Expression("error(lamp)"), True, True, 20.0)
        capsys.readouterr()
        findings = follow(source, True, 2.5)
    assert [finding.name for finding in findings] == ["in-error"]
    (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (told["kind"], told["name"], told["subject"].split()[0]) == ("finding", "in-error", "lamp")


def test_nobody_who_answers_is_one_line(monkeypatch) -> None:
    monkeypatch.setattr(sources, "SETTLED_S", 0.1)
    address = "/ip4/127.0.0.1/udp/9/quic-v1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
    with open_source((address,)) as source, pytest.raises(SourceError) as caught:
        source.settle(2.0)
    assert "\n" not in str(caught.value)
