"""Every setting of a topic in one place. All times are in seconds of trio's clock.

Where a default differs from the Go peer's (asyncmachine-go `pkg/pubsub`), the field says which and why.
"""

from __future__ import annotations

from dataclasses import dataclass

from ampubsub.seal.keys import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """How a topic behaves. Frozen: change one with `dataclasses.replace`, also while it runs."""

    # -- what we are
    silent: bool = False
    """Publish nothing at all: only listen. No answer, no hello, no bye."""
    join_when_connected: bool = True
    """Join as soon as we are connected, and again after a reconnection (Go: `Join` is called by hand)."""
    secret: Secret | None = None
    """Seal the topic: only who holds this secret reads, is believed, and learns its name (docs/security.md). None: it is open."""
    metrics: bool = False
    """Keep a metrics machine that ticks states as peers are heard (Go: `MachMetrics`, set by hand)."""
    tell_name: bool = True
    """Tell our `peer_name` to others as the tag `peer-name:NAME` of our machines (Go: no names travel)."""

    # -- connecting
    connections_to_ready: int = 1
    """Connections needed to be Ready (Go: 5, which a small network never has)."""
    dials_at_once: int = 10
    """How many addresses are dialled at the same time (Go: 10)."""
    redial_first_s: float = 1.0
    """Wait before trying the addresses again when none could be reached (Go: never tries again)."""
    redial_max_s: float = 30.0
    """The wait doubles up to this."""
    redial_settled_s: float = 15.0
    """When all connections are lost sooner than this, we wait before dialling, ever longer."""
    handler_timeout_s: float = 1.0
    """A handler of the topic machine may run this long (Go: 0.1, and queued handlers count in)."""

    # -- our own changes
    update_delay_s: float = 0.02
    """A change waits this long for others to go with it (Go: up to 5, the heartbeat)."""
    update_interval_s: float = 0.1
    """The least time between two `updates` of ours; changes in between are merged, the latest clock wins."""

    # -- saying hello, asking, answering
    hello_delay_s: float = 0.1
    """The first `info` after joining comes within this (Go: 0.1 to 3)."""
    greet_delay_s: float = 0.1
    """A peer that joined is greeted after this, plus a random part of `spread_per_peer_s` × known peers."""
    spread_per_peer_s: float = 0.03
    """Answers that several peers could give are spread over this × known peers (Go: 0 to 5)."""
    spread_round_trips: float = 0.25
    """... and over at least this many round trips × known peers, so that most hear who answered first."""
    usual_round_trip_s: float = 0.25
    """With a longer round trip, waits for others' answers are longer in proportion."""
    pace_max: float = 6.0
    """The most by which such waits are stretched."""
    spread_max_s: float = 5.0
    """The longest spread, however many peers there are."""
    ask_delay_s: float = 0.1
    """A question waits at random up to twice this, and is dropped when somebody else asks (Go: 0 to 5)."""
    ask_again_s: float = 2.0
    """The same peer is asked for again after this; the wait doubles each time (Go: 25)."""
    ask_again_max_s: float = 120.0
    """The longest wait between two questions for the same peer."""
    fewer_first: float = 0.75
    """Unknown peers and those that lack their owner's word are asked for apart: how often the fewer of the two go first."""
    ask_at_most: int = 64
    """Peers in one question (Go: 5)."""
    ask_pause_s: float = 0.5
    """The least time between two questions of ours, so that who invents thousands of peers does not eat our budget."""
    join_grace_s: float = 3.0
    """A peer that joined and said nothing is asked for after this: a Go peer says hello within 3."""
    relay_delay_s: float = 0.6
    """We answer for another peer only when it did not answer itself within this."""
    relay_many: int = 4
    """Asked for this many or more at once, one who knows them all answers first, for all of them."""
    answer_interval_s: float = 2.0
    """We describe ourselves, or tell all our clocks, this often at the most when asked; askers share an answer."""
    owner_patience_s: float = 1.5
    """Asked for together with many others, we leave the answer to one who knows them all for this long."""
    named_s: float = 15.0
    """Whoever named peers in gossip answers for them first, for this long."""
    told_again_s: float = 4.0
    """Who asks again for what it was told waits this long for the answer, then twice as long each time. Go peers that
    cannot read what they are told (asyncmachine-go v0.15 to v0.19) ask every 25 to 35."""
    told_again_max_s: float = 600.0
    """The longest wait before the same question of the same peer is answered again."""

    bye_linger_s: float = 0.3
    """After a bye we stay this long, so that it gets out before the connections close."""

    # -- upkeep
    heartbeat_s: float = 2.0
    """How often upkeep runs (Go: `HeartbeatFreq` 1 × `Multiplayer` 5)."""
    gossip_interval_s: float = 10.0
    """We tell our own sums and some others' this often, at the least (Go: every 5, by chance)."""
    gossip_interval_per_peer_s: float = 0.5
    """... but not more often than this times the number of known peers, so that the topic stays calm."""
    gossip_amount: int = 10
    """Other peers in one gossip (Go: 5)."""
    greet_amount: int = 256
    """Peers named to a newcomer."""

    # -- when others go
    stale_after_s: float = 60.0
    """A peer that is not connected to us and said nothing for this long is stale, at the earliest: the larger
    of this and `silences` times the interval at which it is expected to speak."""
    silences: float = 4.0
    """How many expected signs of life may be missing."""
    gone_after_s: float = 30.0
    """A stale peer is gone after this (Go: nothing is ever forgotten)."""
    forget_after_s: float = 600.0
    """A peer that is gone is forgotten after this; until then others' talk does not bring it back."""
    behind_grace_s: float = 1.0
    """Others may know later clocks than we for this long before a machine counts as stale: news is on its way."""
    reorder_window_s: float = 5.0
    """Without sequence numbers, a lower clock this soon after a higher one is old news, later a restart."""
    promote_after_s: float = 4.0
    """A machine known from others only is asked for after this, so that its owner confirms it."""

    # -- budgets
    budget_window_s: float = 5.0
    """The sliding window of every budget (Go: fixed windows of 5, which double at an edge)."""
    budget_own: int = 50
    """Messages we send in a window, at the most (Go: 10)."""
    budget_changes: int = 5
    """Of these, messages about our own changes that go even when the topic is over its budget."""
    budget_topic: int = 150
    """Messages all peers together send in a window; above it each keeps to its fair share."""

    # -- limits against hostile peers
    inbox: int = 2048
    """Received messages that wait; more are dropped and counted (Go: 50, or `MaxQueueLen` 10)."""
    batch: int = 64
    """Messages in one `ProcessMsgs` (Go: 50)."""
    messages_per_peer: int = 400
    """Messages of one author processed in a window."""
    messages_in_total: int = 4000
    """Messages of all authors processed in a window."""
    max_message_bytes: int = 524_288
    """A larger message is dropped, and ours are split below it (GossipSub's own limit is 1 MiB)."""
    max_peers: int = 2048
    """Peers known at a time. Those known from others only make room for those that speak themselves."""
    max_peers_per_teller: int = 1024
    """Peers that one other peer may introduce."""
    max_machines_per_peer: int = 256
    """Machines one peer may expose."""
    max_machines: int = 20_000
    """Machines known at a time."""
    max_states: int = 1024
    """States of one machine."""
    max_name_chars: int = 256
    """Characters of an id, a state's name or a tag."""
    max_early_clocks: int = 1024
    """Clocks kept for machines that are not known yet."""
    events_remembered: int = 4096
    """Entries of each small memory: questions, answers, counters by peer."""
