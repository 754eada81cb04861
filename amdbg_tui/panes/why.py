"""Why a transition came out as it did, in plain sentences: which relation, which handler, which state.

Pure: a record and its machine's schema in, sentences out. A sentence is a row of spans, so state names keep
their look.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import StepRecord, TransitionRecord
from amdbg_tui.panes import words
from amdbg_tui.widgets.paint import Row, Span

VERB = {"add": "add", "remove": "remove", "set": "set", "clock": "clock change", "eval": "evaluate"}


def names(states: Sequence[str], look: str = "bright bold") -> list[Span]:
    """State names with commas between."""
    spans: list[Span] = []
    for place, state in enumerate(states):
        if place:
            spans.append((", " if place < len(states) - 1 else " and ", "plain"))
        spans.append((state, look))
    return spans or [("no states", "grey")]


def explain(record: TransitionRecord, machine: LiveMachine | None) -> list[Row]:
    """The whole answer, most important first: outcome, reason, who asked, what relations and handlers did."""
    if record.derived:
        return _outcome(record, machine) + _derived(record)
    return [
        *_outcome(record, machine),
        *_reason(record),
        _asked(record),
        *_relations(record),
        *_handlers(record),
    ]


def _outcome(record: TransitionRecord, machine: LiveMachine | None) -> list[Row]:
    found = words.changes(machine.record if machine else None, record.before, record.after)
    if not record.accepted:
        verb = "could be done" if record.check else "was done"
        return [[("Canceled", "error bold"), (f": nothing {verb}.", "plain")]]
    if record.check:
        return [[("It could be done", "inactive bold"), (" (a check; nothing was changed).", "plain")]]
    if not found:
        return [[("Accepted", "inactive bold"), (", but no tick moved: it was so already.", "plain")]]
    rows: list[Row] = []
    for sign, text, look in (("+", " became active.", "active"), ("-", " became inactive.", "inactive")):
        states = [name for kind, name, _ in found if kind == sign]
        if states:
            rows.append([*names(states, f"{look} bold"), (text, "plain")])
    again = [(name, ticks) for kind, name, ticks in found if kind == "·"]
    for name, ticks in again:
        what = "was entered again" if not record.derived else "was switched and is as before"
        rows.append([(name, "multi bold"), (f" {what} (+{ticks} ticks).", "plain")])
    return rows


def _derived(record: TransitionRecord) -> list[Row]:
    said = {
        "first-hand": "its own peer said so",
        "hearsay": "hearsay: another peer said so",
        "stale": "the clock is stale, news were missed",
        "gone": "its peer is gone",
    }.get(record.trust, record.trust)
    teller = f" ({words.short_id(record.source)})" if record.source else ""
    return [
        [
            ("Derived", "hearsay bold"),
            (" from a clock that changed; ", "plain"),
            (said + teller, "plain"),
            (".", "plain"),
        ],
        [
            (
                "Who asked for it, its steps, handlers and arguments stay with the machine's own peer: "
                "not available here.",
                "grey",
            )
        ],
    ]


def _reason(record: TransitionRecord) -> list[Row]:
    """For a canceled one: what was in the way."""
    rows: list[Row] = []
    if record.error:
        rows.append([("Error: ", "error bold"), (record.error, "error")])
    if record.accepted:
        return rows
    refused = next((name for name in record.handlers if name.endswith("!")), "")
    if refused:
        rows.append([("The handler ", "plain"), (refused.rstrip("!"), "error bold"), (" said no.", "plain")])
    touched = set(record.called) | {
        step.from_state for step in record.steps if step.kind == "deactivate-passive"
    }
    missing = _missing(record.steps)
    for step in record.steps:
        if step.kind != "rel" or (
            not refused and step.from_state not in touched and step.to_state not in touched
        ):
            continue
        if step.detail == "require" and (step.from_state, step.to_state) in missing:
            row: Row = [
                *names([step.from_state]),
                (" requires ", "active"),
                *names([step.to_state]),
                (", which was not active.", "plain"),
            ]
            if row not in rows:
                rows.append(row)
        elif step.detail == "remove" and step.to_state in record.called:
            row = [*names([step.from_state]), (" removes ", "error"), *names([step.to_state]), (".", "plain")]
            if row not in rows:
                rows.append(row)
    if not rows:
        rows.append([("What was in the way was not recorded (steps were off).", "grey")])
    return rows


def _missing(steps: Sequence[StepRecord]) -> set[tuple[str, str]]:
    """Require relations that were not met: the next step after the check says so."""
    found = set()
    for step, following in zip(steps, [*steps[1:], StepRecord("")], strict=False):
        if (
            step.kind == "rel"
            and step.detail == "require"
            and following.kind in ("deactivate-passive", "cancel")
        ):
            found.add((step.from_state, step.to_state))
    return found


def _asked(record: TransitionRecord) -> Row:
    called: list[Span] = [(f"{VERB.get(record.kind, record.kind)} ", "plain"), *names(record.called)]
    if record.auto:
        return [
            ("By itself", "bright bold"),
            (": ", "plain"),
            *called,
            (" was tried because Auto is set.", "plain"),
        ]
    if record.by_hand:
        return [("You asked", "own bold"), (" to ", "plain"), *called, (".", "plain")]
    if record.source:
        machine, _, rest = record.source.partition("/")
        transition, _, time = rest.partition("/")
        where = f" in its transition {transition}" if transition else ""
        when = f" at t{time.removeprefix('t')}" if time else ""
        return [(machine, "own bold"), (f" asked{where}{when} to ", "plain"), *called, (".", "plain")]
    return [("Its program asked to ", "plain"), *called, (".", "plain")]


def _relations(record: TransitionRecord) -> list[Row]:
    said: dict[tuple[str, str, str], None] = {}
    for step in record.steps:
        if step.kind == "rel":
            said[(step.from_state, step.detail, step.to_state)] = None
    stopped = {step.to_state for step in record.steps if step.kind in ("deactivate", "deactivate-passive")}
    stopped |= {step.from_state for step in record.steps if step.kind == "deactivate-passive"}
    rows: list[Row] = []
    for source, relation, target in said:
        if relation == "add":
            rows.append([*names([source]), (" adds ", "inactive"), *names([target]), (".", "plain")])
        elif relation == "remove" and record.accepted and target in stopped:
            rows.append([*names([source]), (" removes ", "error"), *names([target]), (".", "plain")])
        elif relation == "require" and record.accepted and source in stopped:
            rows.append(
                [*names([source]), (" cannot stay: it requires ", "plain"), *names([target]), (".", "plain")]
            )
    return rows


def _handlers(record: TransitionRecord) -> list[Row]:
    if not record.handlers:
        return [[("No handler ran.", "grey")]] if record.accepted and not record.check else []
    row: Row = [("Handlers, in order: ", "plain")]
    for place, name in enumerate(record.handlers):
        if place:
            row.append((" → ", "faint"))
        row.append((name.rstrip("!"), "error bold" if name.endswith("!") else "bright"))
        if name.endswith("!"):
            row.append((" refused", "error"))
    return [row]


def step_words(step: StepRecord) -> Row:
    """One step as am-dbg's status bar says it: `called Ready`, `DBReady require Start`, `handler
    ReadyState`."""
    if step.kind == "rel":
        return [*names([step.from_state]), (f" {step.detail} ", "grey"), *names([step.to_state])]
    if step.kind == "handler":
        return [("handler ", "grey"), (step.detail or f"{step.from_state}{step.to_state}", "bright bold")]
    return [(f"{step.kind} ", "grey"), *names([step.to_state or step.from_state])]
