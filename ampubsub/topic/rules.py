"""The rules of the protocol, each once, numbered. `docs/protocol.md` prints this table; a test compares them.

*MUST*: others rely on it, or a wrong belief would follow. *SHOULD*: manners; who does otherwise costs others something.
"""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One rule."""

    number: str
    when: str
    what: str
    timer: str
    """Names of constants (`constants.py`) or settings (`TopicSettings`) that say how soon, how often, how much."""
    force: str
    where: str
    """File of the room that keeps it."""


RULES: tuple[Rule, ...] = (
    # hello
    Rule(
        "H1",
        "we joined and expose machines",
        "describe them all in one `info`",
        "HELLO_DELAY_S",
        "MUST",
        "speaking",
    ),
    Rule(
        "H2",
        "nobody could hear H1, and a neighbour joins",
        "describe them again",
        "GREET_DELAY_S SPREAD_PER_PEER_S SPREAD_MAX_S",
        "MUST",
        "speaking",
    ),
    Rule(
        "H3",
        "a neighbour without a private stream joins",
        "greet it with what we expose and whom we know that lives",
        "GREET_DELAY_S GREET_AMOUNT",
        "SHOULD",
        "speaking",
    ),
    Rule("H4", "a private stream opens", "say on it what we expose, be it nothing", "", "MUST", "protocol"),
    Rule(
        "H5",
        "an exposed machine gets another schema, tags or index",
        "describe all machines again",
        "UPDATE_DELAY_S",
        "MUST",
        "speaking",
    ),
    # updates
    Rule(
        "U1",
        "an exposed machine changes",
        "tell its whole clock; changes meanwhile are merged, the latest wins",
        "UPDATE_DELAY_S UPDATE_INTERVAL_S",
        "MUST",
        "speaking",
    ),
    Rule(
        "U2",
        "a clock comes for a machine that is not known",
        "keep it until the machine is, the owner's word first",
        "EARLY_CLOCKS",
        "SHOULD",
        "news",
    ),
    # questions and answers
    Rule(
        "Q1",
        "a peer or machine is named that we do not know, or only by hearsay",
        "ask for it, unless somebody else asks first; on streams first",
        "ASK_DELAY_S STREAM_FIRST_S JOIN_GRACE_S PROMOTE_AFTER_S",
        "SHOULD",
        "speaking",
    ),
    Rule(
        "Q2",
        "a question is not answered",
        "ask again, twice as late each time",
        "ASK_AGAIN_S ASK_AGAIN_MAX_S ASK_PAUSE_S ASK_AT_MOST",
        "SHOULD",
        "questions",
    ),
    Rule(
        "Q3",
        "somebody asks for us",
        "answer, many askers together",
        "ANSWER_INTERVAL_S OWNER_PATIENCE_S",
        "MUST",
        "speaking",
    ),
    Rule(
        "Q4",
        "somebody asks for another that lives",
        "answer when it does not itself",
        "RELAY_DELAY_S RELAY_MANY NAMED_S",
        "SHOULD",
        "speaking",
    ),
    Rule(
        "Q5",
        "somebody asks again for what it was told",
        "answer ever more rarely; tell a person why when it is not ours",
        "TOLD_AGAIN_S TOLD_AGAIN_MAX_S",
        "SHOULD",
        "questions",
    ),
    Rule(
        "Q6",
        "`requpdates` is not answered",
        "ask for `info`: Go v0.13 answers only that",
        "UNANSWERED_CLOCKS",
        "SHOULD",
        "speaking",
    ),
    # trust
    Rule(
        "T1",
        "an owner signed it, and it is not older than what we have",
        "believe it, whichever way it came: first-hand",
        "",
        "MUST",
        "beliefs",
    ),
    Rule("T2", "another says it", "believe it only where nothing is first-hand: hearsay", "", "MUST", "news"),
    Rule(
        "T3",
        "another claims a later clock than the owner told",
        "ask the owner; stale until it answers; who it does not confirm is not believed again",
        "BEHIND_GRACE_S CLAIMANTS",
        "MUST",
        "news",
    ),
    Rule(
        "T4",
        "others say of us what is not so, or ticks beyond ours",
        "say what is true: our description now and then, our sums in between; nobody answers for us",
        "ANSWER_INTERVAL_S CORRECTION_BYTES",
        "MUST",
        "speaking",
    ),
    Rule(
        "T5",
        "an owner's number is higher and a tick lower",
        "a restart: the machine is replaced",
        "REORDER_WINDOW_S",
        "MUST",
        "news",
    ),
    Rule(
        "T6",
        "an owner's numbers fall far, over a new connection of its own, or after it was lost",
        "a new life under a clock set back; what comes of the old one is old",
        "NEW_LIFE_NUMBERS",
        "MUST",
        "beliefs",
    ),
    # accounts
    Rule(
        "A1",
        "a message comes",
        "charge it to the neighbour that brought it, then to its author, in messages and bytes, before it is decoded or handed on",
        "WINDOW_S BYTES_IN_TOTAL messages_per_peer messages_in_total",
        "MUST",
        "accounts",
    ),
    Rule(
        "A2",
        "half of what can be taken is used",
        "hold each neighbour to an equal share",
        "WINDOW_S",
        "MUST",
        "accounts",
    ),
    Rule(
        "A3",
        "all places for peers are taken",
        "connected peers have one; of others, whoever came through the neighbour that brought most goes",
        "max_peers PEERS_PER_TELLER",
        "MUST",
        "beliefs",
    ),
    Rule(
        "A4",
        "we speak",
        "keep to our budget, and to a fair share once the topic is loud; changes have a share of their own",
        "budget_own BUDGET_TOPIC BUDGET_CHANGES",
        "SHOULD",
        "accounts",
    ),
    # life
    Rule(
        "L1", "a stream to a neighbour stands", "say something on it now and then", "BEAT_S", "MUST", "sync"
    ),
    Rule(
        "L2",
        "a neighbour is silent",
        "ask it to say something; then be its witness no longer",
        "PING_AFTER_S PING_EVERY_S SILENT_AFTER_S",
        "MUST",
        "life",
    ),
    Rule(
        "L3",
        "our live links change",
        "tell all our peers, with how links ended; hand on theirs",
        "LINKS_DELAY_S",
        "MUST",
        "sync",
    ),
    Rule(
        "L4",
        "no chain of live links leads to a peer any longer",
        "doubt it at once, with the reason of who lost it; ask for it",
        "JUDGE_DELAY_S",
        "MUST",
        "life",
    ),
    Rule(
        "L5",
        "our own loop stood still",
        "lengthen our limits, not others' deaths",
        "LAG_S HEALTH_MAX",
        "MUST",
        "life",
    ),
    Rule(
        "L6",
        "a peer without witnesses (behind Go peers) is silent",
        "doubt it",
        "stale_after_s SILENCES SILENCE_MAX_S",
        "SHOULD",
        "life",
    ),
    Rule(
        "L7",
        "a fresh message comes of a doubted peer",
        "it lives, for as long as a message shows",
        "MESSAGE_LIFE_S",
        "MUST",
        "life",
    ),
    Rule(
        "L8",
        "a doubt lasts",
        "the peer is gone: left, crashed, cut off or expelled; later forgotten",
        "gone_after_s forget_after_s",
        "MUST",
        "life",
    ),
    Rule("L9", "we lose our last neighbour, or leave", "everything is stale at once", "", "MUST", "life"),
    Rule("L10", "a peer is doubted or gone", "name it to nobody", "", "MUST", "speaking"),
    # gossip
    Rule(
        "G1",
        "time passes",
        "tell our own sums, as a sign of life, and to Go peers some others'",
        "GOSSIP_INTERVAL_S GOSSIP_INTERVAL_PER_SPEAKER_S GOSSIP_INTERVAL_MAX_S GOSSIP_AMONG_OURS GOSSIP_AMOUNT",
        "SHOULD",
        "speaking",
    ),
    Rule("G2", "we expose nothing", "say nothing unasked", "FAREWELLS", "SHOULD", "speaking"),
    # reconciliation
    Rule(
        "R1",
        "what a neighbour knows has differed for a while",
        "compare by ranges, one neighbour at a time; the one with fewer entries begins",
        "SETTLING_S RECONCILE_EVERY_S BUSY_S DIFFERING_BEAT_S ROWS_AT_ONCE",
        "MUST",
        "sync",
    ),
    Rule(
        "R2",
        "a neighbour lacks what we have",
        "hand on the owner's own signed messages, packed",
        "RECORD_RAW_BYTES RECORD_PAUSE_S",
        "MUST",
        "sync",
    ),
    Rule(
        "R3",
        "peers are lost whose addresses were told on streams, or no connection is left",
        "dial one of them, again and again",
        "ADDRESSES_KEPT ADDRESSES_TOLD ADDRESSES_EVERY_S DIAL_EVERY_S",
        "SHOULD",
        "addresses",
    ),
    # bye
    Rule(
        "B1", "machines are exposed no longer", "take all of them back in one `bye`", "", "MUST", "speaking"
    ),
    Rule(
        "B2",
        "we leave, are cancelled, or fail",
        "say bye, and nothing after it",
        "BYE_LINGER_S",
        "MUST",
        "speaking",
    ),
    Rule("B3", "a peer said bye", "it is gone; only a new hello brings it back", "", "MUST", "beliefs"),
)


def as_markdown() -> str:
    """The table, as the documentation prints it."""
    rows = ["| rule | when | what | how soon, how much | |", "| --- | --- | --- | --- | --- |"]
    for rule in RULES:
        timers = " ".join(f"`{name}`" for name in rule.timer.split())
        rows.append(f"| {rule.number} | {rule.when} | {rule.what} | {timers} | {rule.force} |")
    return "\n".join(rows) + "\n"
