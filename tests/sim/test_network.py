"""The simulated network: what arrives, in which order, and what does not. With hosts that only write down what they hear."""

from __future__ import annotations

import hashlib
import itertools
from random import Random

import pytest

from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict
from benchmarks.simulator.graph import random_graph
from benchmarks.simulator.network import TOPIC, Conditions, Host, Network


class Diary(Host):
    """A host that writes down what it hears."""

    def __init__(self, network: Network, name: str, peer_id: str = "") -> None:
        super().__init__(network, name, peer_id)
        self.heard: list[tuple[str, object]] = []
        self.refuses = b""

    def verdict(self, message: MessageReceived) -> Verdict:
        return Verdict.IGNORE if message.data == self.refuses else Verdict.ACCEPT

    def message(self, message: MessageReceived) -> None:
        self.heard.append(("message", message.data))

    def frame(self, neighbour: str, data: bytes) -> None:
        self.heard.append(("frame", data))

    def connected(self, peer_id: str, dialled: bool) -> None:
        self.heard.append(("connected", dialled))

    def disconnected(self, peer_id: str, cause: DisconnectCause) -> None:
        self.heard.append(("disconnected", cause))

    def subscribed(self, peer_id: str) -> None:
        self.heard.append(("subscribed", peer_id))

    def unsubscribed(self, peer_id: str) -> None:
        self.heard.append(("unsubscribed", peer_id))

    def direct_opened(self, peer_id: str) -> None:
        self.heard.append(("direct", peer_id))

    def words(self, kind: str) -> list[object]:
        return [what for name, what in self.heard if name == kind]


def line(network: Network, count: int) -> list[Diary]:
    hosts = [Diary(network, f"host{number}") for number in range(count)]
    for one, other in itertools.pairwise(hosts):
        one.dial(other.peer_id)
    for host in reversed(hosts):
        host.start()
    network.schedule.run(2)
    return hosts


def test_a_connection_is_told_on_both_sides_then_the_subscription_then_the_private_stream() -> None:
    one, other = line(Network(1), 2)
    assert one.heard == [("connected", True), ("subscribed", other.peer_id), ("direct", other.peer_id)]
    assert other.heard == [("connected", False), ("subscribed", one.peer_id), ("direct", one.peer_id)]


def test_a_message_reaches_all_through_others_once_and_not_its_author() -> None:
    network = Network(1)
    hosts = [Diary(network, f"host{number}") for number in range(30)]
    for host, dials in zip(hosts, random_graph(30, Random(1)), strict=True):
        for other in dials:
            host.dial(hosts[other].peer_id)
        host.start()
    network.schedule.run(40)
    hosts[7].publish(b"hello")
    network.schedule.run(45)
    assert [host.words("message") for host in hosts] == [[b"hello"] if n != 7 else [] for n in range(30)]
    assert all(4 <= len(host.links) <= 8 for host in hosts)


def test_what_a_verdict_refuses_is_not_passed_on() -> None:
    network = Network(1)
    one, middle, far = line(network, 3)
    middle.refuses = b"bad"
    one.publish(b"bad")
    one.publish(b"good")
    network.schedule.run(4)
    assert far.words("message") == [b"good"]
    assert network.traffic.refused == 1


def test_messages_of_one_hop_stay_in_order_unless_the_network_reorders() -> None:
    for reorder in (False, True):
        network = Network(3, Conditions(delay_s=(0.01, 0.5), reorder=reorder))
        one, other = line(network, 2)
        said = [b"%d" % number for number in range(50)]
        for data in said:
            one.publish(data)
        network.schedule.run(5)
        assert (other.words("message") == said) is not reorder
        assert sorted(other.words("message")) == sorted(said)


def test_loss_loses_messages_but_frames_only_come_late_and_in_order() -> None:
    network = Network(3, Conditions(loss=0.5))
    one, other = line(network, 2)
    said = [b"%d" % number for number in range(100)]
    for data in said:
        one.publish(data)
        assert one.send_direct(other.peer_id, data)
    network.schedule.run(200)
    assert 30 < len(other.words("message")) < 70
    assert other.words("frame") == said


def test_doubled_copies_are_taken_once() -> None:
    network = Network(3, Conditions(doubling=1.0))
    one, other = line(network, 2)
    one.publish(b"hello")
    network.schedule.run(5)
    assert other.words("message") == [b"hello"]
    assert network.traffic.duplicates == 1


def test_a_short_cut_holds_frames_back_and_loses_messages_and_a_long_one_ends_the_link_and_is_dialled_again() -> (
    None
):
    network = Network(1)
    one, other = line(network, 2)
    network.partition([[one.peer_id]])
    one.publish(b"lost")
    assert one.send_direct(other.peer_id, b"held")
    network.schedule.run(5)
    network.heal()
    network.schedule.run(20)
    assert (other.words("message"), other.words("frame"), other.words("disconnected")) == ([], [b"held"], [])
    network.partition([[one.peer_id]])
    network.schedule.run(60)
    assert [name for name, _ in other.heard[-2:]] == ["disconnected", "unsubscribed"]
    assert other.words("disconnected") == [DisconnectCause.LOST]
    network.heal()
    network.schedule.run(120)
    assert other.words("connected") == [False, False]


def test_a_stream_to_a_dead_peer_takes_so_many_frames_and_no_more() -> None:
    network = Network(1)
    one, other = line(network, 2)
    other.crash()
    taken = sum(one.send_direct(other.peer_id, b"x") for _ in range(100))
    assert taken == 64


@pytest.mark.parametrize(
    ("end", "cause", "after_s"),
    [
        (Host.crash, DisconnectCause.LOST, 10.0),
        (Host.reset, DisconnectCause.LOST, 0.05),
        (Host.close, DisconnectCause.CLOSED, 0.05),
    ],
)
def test_how_a_peer_ends_is_told_as_soon_as_it_can_be_known(end, cause, after_s) -> None:
    network = Network(1)
    one, other = line(network, 2)
    died_s = network.now
    end(other)
    assert network.schedule.run(60, lambda: bool(one.words("disconnected")))
    assert (one.words("disconnected"), round(network.now - died_s, 3)) == ([cause], after_s)


def test_one_that_stands_still_hears_everything_afterwards_in_order() -> None:
    network = Network(1)
    one, other = line(network, 2)
    other.block(5)
    for number in range(3):
        one.publish(b"%d" % number)
        one.send_direct(other.peer_id, b"%d" % number)
    network.schedule.run(network.now + 4)
    assert not other.words("message")
    network.schedule.run(network.now + 2)
    assert other.words("message") == other.words("frame") == [b"0", b"1", b"2"]


def test_nobody_can_change_or_forge_what_another_signed_and_what_was_signed_can_be_opened() -> None:
    network = Network(1)
    one, _ = line(network, 2)
    signed = network.signer.sign(TOPIC, one.peer_id, 7, b"data")
    opened = network.signer.open(TOPIC, signed)
    assert opened is not None
    assert (opened.author, opened.sequence, opened.data) == (one.peer_id, 7, b"data")
    assert network.signer.open("other", signed) is None
    for place in range(len(signed)):
        changed = bytearray(signed)
        changed[place] ^= 1
        assert network.signer.open(TOPIC, bytes(changed)) is None, place
    assert network.signer.open(TOPIC, signed[:30]) is None
    assert Network(2).signer.open(TOPIC, signed) is None


def test_a_replay_is_taken_by_nobody_who_saw_it_and_by_all_once_it_is_forgotten() -> None:
    network = Network(1)
    one, middle, far = line(network, 3)
    one.publish(b"old")
    signed = network.signer.sign(TOPIC, one.peer_id, one.sequence, b"old")
    network.schedule.run(10)
    network.replay(far, signed)
    network.schedule.run(20)
    assert middle.words("message") == [b"old"]
    network.schedule.run(200)
    network.replay(far, signed)
    network.schedule.run(210)
    assert middle.words("message") == [b"old", b"old"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def digest(seed: int) -> str:
        found = hashlib.blake2b()
        network = Network(seed, Conditions(delay_s=(0.01, 0.3), loss=0.2, doubling=0.2), tell=found.update)
        hosts = line(network, 6)
        for number in range(40):
            hosts[number % 6].publish(b"%d" % number)
            hosts[2].send_direct(hosts[3].peer_id, b"%d" % number)
            network.schedule.run(network.now + 0.1)
        for host in hosts:
            found.update(repr(host.heard).encode())
        return found.hexdigest()

    assert digest(5) == digest(5)
    assert digest(5) != digest(6)
