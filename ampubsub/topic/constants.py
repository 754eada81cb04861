"""Numbers of the protocol that nobody has to choose, each with its reason. Times in seconds, `Go` is asyncmachine-go."""

from __future__ import annotations

# -- our own changes
UPDATE_DELAY_S = 0.02
"""A change waits this long for others to go with it (Go: up to 5, the heartbeat)."""
UPDATE_INTERVAL_S = 0.1
"""The least time between two `updates` of ours; changes in between are merged, the latest clock wins."""

# -- hello, questions, answers
HELLO_DELAY_S = 0.1
"""The first `info` after joining comes within this (Go: 0.1 to 3)."""
GREET_DELAY_S = 0.1
"""A newcomer without a private stream is greeted after this, plus a random part of the spread."""
SPREAD_PER_PEER_S = 0.03
"""Answers that several peers could give are spread over this for each known speaker (Go: 0 to 5)."""
SPREAD_ROUND_TRIPS = 0.25
"""... and over at least this many round trips for each, so that most hear who answered first."""
SPREAD_MAX_S = 5.0
USUAL_ROUND_TRIP_S = 0.25
"""With a longer round trip, waits for others' answers are longer in proportion, up to `PACE_MAX` times."""
PACE_MAX = 6.0
ASK_DELAY_S = 0.1
"""A question waits at random up to twice this, and is dropped when somebody else asks (Go: 0 to 5)."""
ASK_AGAIN_S = 2.0
"""The same peer is asked for again after this; the wait doubles each time (Go: 25)."""
ASK_AGAIN_MAX_S = 120.0
ASK_AT_MOST = 64
"""Peers in one question (Go: 5)."""
ASK_PAUSE_S = 0.5
"""The least time between two questions, so that who invents thousands of peers does not eat our budget."""
FEWER_FIRST = 0.75
"""Unknown peers and those that lack their owner's word are asked for apart: how often the fewer of the two go first."""
STREAM_FIRST_S = 3.0
"""With a private stream to a neighbour, what is missing is asked for on the topic only after this."""
JOIN_GRACE_S = 3.0
"""A peer that joined and said nothing is asked for after this: a Go peer says hello within 3."""
RELAY_DELAY_S = 0.6
"""We answer for another peer only when it did not answer itself within this."""
RELAY_MANY = 4
"""Asked for this many or more at once, one who knows them all answers first, for all of them."""
ANSWER_INTERVAL_S = 2.0
"""We describe ourselves, or tell all our clocks, this often at the most when asked; askers share an answer."""
OWNER_PATIENCE_S = 1.5
"""Asked for together with many others, we leave the answer to one who knows them all for this long."""
NAMED_S = 15.0
"""Whoever named peers in gossip answers for them first, for this long."""
TOLD_AGAIN_S = 4.0
"""Who asks again for what it was told waits this long for the answer, then twice as long each time. Go peers that
cannot read what they are told (v0.15 to v0.19) ask every 25 to 35 s."""
TOLD_AGAIN_MAX_S = 600.0
PROMOTE_AFTER_S = 4.0
"""A machine known from others only is asked for after this, so that its owner confirms it."""
UNANSWERED_CLOCKS = 2
"""After so many unanswered `requpdates` an owner is asked for its `info`: Go v0.13 never answers the first."""

# -- upkeep
HEARTBEAT_S = 2.0
"""How often upkeep runs (Go: 5)."""
GOSSIP_INTERVAL_S = 10.0
"""We tell our own sums and some others' this often, at the least (Go: every 5, by chance)."""
GOSSIP_INTERVAL_PER_SPEAKER_S = 0.5
"""... but not more often than this for each speaker, so that all together say 2 a second,"""
GOSSIP_INTERVAL_MAX_S = 120.0
"""... and at least this often: silence must mean something in a large topic too."""
GOSSIP_AMONG_OURS = 2.0
"""By how much more rarely among ours alone: streams tell who lives and who knows what."""
GOSSIP_AMOUNT = 10
"""Other peers in one gossip (Go: 5)."""
GREET_AMOUNT = 256
"""Peers named to a newcomer that has no private stream."""
FAREWELLS = 3
"""How often it is said in gossip that nothing is exposed any longer: the bye may have been lost."""

# -- silence, where nobody is a witness
SILENCES = 4.0
"""How many expected signs of life may be missing."""
SILENCE_MAX_S = 600.0
GO_HEARTBEAT_S = 5.0
"""A Go peer gossips by chance, once in as many of its heartbeats as it knows peers."""
BEHIND_GRACE_S = 1.0
"""Others may know later clocks than we for this long before a machine counts as stale: news is on its way."""
REORDER_WINDOW_S = 5.0
"""Without sequence numbers, a lower clock this soon after a higher one is old news, later a restart."""
NEW_LIFE_NUMBERS = 1 << 20
"""A peer's numbers that fall by more than this over a new connection of its own begin a new life: they count up from
the time in nanoseconds, so within a life they differ by the messages said, between lives by far more."""

# -- life between ours
BEAT_S = 1.0
"""A neighbour hears from us on the private stream at least this often."""
PING_AFTER_S = 3.0
"""A neighbour silent for this long is asked, each `PING_EVERY_S`, to say something at once."""
PING_EVERY_S = 0.5
SILENT_AFTER_S = 7.0
"""A neighbour silent for this long is doubted: a peer that stops for 5 s must not be, and 10 s must not pass."""
LAG_S = 0.5
"""Work done this late shows that our own loop stood still: what others said meanwhile is still to be read."""
HEALTH_MAX = 4.0
"""Our own lag lengthens our limits up to so many times."""
LINKS_DELAY_S = 0.1
"""Changes of our links wait this long for others to go with them."""
JUDGE_DELAY_S = 0.25
"""After links changed, lives are judged at most this often."""
MESSAGE_LIFE_S = 10.0
"""A fresh message of a peer that lost its last witness shows for this long that it lives."""

# -- reconciliation
RECONCILE_EVERY_S = 1.0
"""With each neighbour at most this often."""
BUSY_S = 0.25
"""After a step of a comparison with one neighbour, none is begun with another for this long: all would send the same."""
DIFFERING_BEAT_S = 0.3
"""Beats to a neighbour that knows other things than we come this soon, so that it is found out when they still differ."""
SETTLING_S = 0.4
"""A difference has to last this long: what changed a moment ago is on its way on the topic."""
ROWS_AT_ONCE = 16
"""A range with so few entries is listed instead of divided further."""
RECORD_RAW_BYTES = 1 << 20
"""Signed messages packed together: repeated schemas vanish. More would hold up the loop."""
RECORD_PAUSE_S = 0.03
"""Between two packs for one neighbour."""
FRAME_BYTES = 512 * 1024
ADDRESSES_KEPT = 32
ADDRESSES_TOLD = 8
ADDRESSES_EVERY_S = 30.0
"""Some addresses are told to each neighbour this often."""
DIAL_EVERY_S = 5.0
"""One of the peers that were lost is dialled this often, if its address was told."""

# -- budgets
WINDOW_S = 5.0
"""The window of every budget, sliding (Go: fixed windows of 5, which double at an edge)."""
BUDGET_CHANGES = 5
"""Of our own messages, those about our own changes that go even when the topic is over its budget."""
BUDGET_TOPIC = 150
"""Messages all peers together say in a window; above it each keeps to its fair share."""
BYTES_IN_TOTAL = 8 << 20
"""Bytes taken in a window, shared like messages: about what can be decoded while the rest goes on."""
CORRECTION_BYTES = 64 << 10
"""Bytes of `info` about ourselves in a window that others' false descriptions can make us say."""

# -- bounds
MACHINES = 20_000
STATES = 1024
NAME_CHARS = 256
EARLY_CLOCKS = 1024
PEERS_PER_TELLER = 1024
"""Peers that one other peer may introduce."""
REMEMBERED = 4096
"""Entries of each small memory."""
CLAIMANTS = 64
"""Who claims a later clock of one machine, and who was refuted."""

# -- the topic machine, connecting, leaving (outside of the protocol)
HANDLER_TIMEOUT_S = 1.0
"""A handler of the topic machine may run this long (Go: 0.1, and queued handlers count in)."""
DIALS_AT_ONCE = 10
REDIAL_FIRST_S = 1.0
"""Wait before trying the addresses again when none could be reached (Go: never tries again)."""
REDIAL_MAX_S = 30.0
"""The wait doubles up to this."""
REDIAL_SETTLED_S = 15.0
"""When all connections are lost sooner than this, we wait before dialling, ever longer."""
BYE_LINGER_S = 0.3
"""After a bye we stay this long, so that it gets out before the connections close."""
INBOX = 2048
"""Received messages that wait; more are dropped and counted (Go: 50, or `MaxQueueLen` 10)."""
BATCH = 64
"""Events shown in one transition."""
RESTART_S = 1.0
"""A task that died is started again after this."""
ROUND_TRIPS_MEASURED = 16
"""Neighbours whose round trip is looked at, for the median."""
