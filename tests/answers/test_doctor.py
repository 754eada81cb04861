"""The doctor: each finding from the records that show it, no finding from those of a quiet day, and days with known faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from amdbg_tui.answers.doctor import CHECKS, Confidence, Severity, badge, examine_history
from amdbg_tui.history import History
from amdbg_tui.history.records import (
    TOPIC_SLOT,
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
)
from benchmarks import doctor as days

NOW = 1_760_000_000.0
ME, A, B, C = "12D3-me", "12D3-aaaaaa", "12D3-bbbbbb", "12D3-cccccc"


class Day:
    """Records in order of time; the doctor is asked at the newest one's time."""

    def __init__(self) -> None:
        self.now = NOW
        self.steady = 0.0
        self.history = History(None, clock=lambda: self.steady)
        self.add(
            ConnectionRecord(NOW, "joined", "home", ME),
            PeerRecord(NOW, ME, "self", "me"),
            *(
                PeerRecord(NOW, peer_id, "joined", name)
                for peer_id, name in ((A, "ada"), (B, "bob"), (C, "cyd"))
            ),
        )

    def after(self, seconds: float) -> Day:
        self.now += seconds
        self.steady += seconds
        return self

    def add(self, *records: object) -> Day:
        self.history.append(records)
        return self

    def peer(self, peer_id: str, status: str, reason: str = "", name: str = "") -> Day:
        return self.add(PeerRecord(self.now, peer_id, status, name, reason))

    def machine(
        self, peer_id: str, machine_id: str, *states: object, slot: int = 0, **more: object
    ) -> MachineKey:
        shapes = tuple(state if isinstance(state, StateShape) else StateShape(str(state)) for state in states)
        key = MachineKey(peer_id, slot)
        more = {"source": "first-hand", "clock": (0,) * len(shapes)} | more
        self.add(MachineRecord(self.now, key, machine_id, shapes, **more))
        return key

    def detail(self, peer_id: str, **figures: object) -> Day:
        return self.add(PeerDetailRecord(self.now, peer_id, **figures))

    def notice(self, text: str, peer_id: str = "") -> Day:
        return self.add(NoticeRecord(self.now, "warning", text, peer_id))

    def findings(self):
        self.add(PeerDetailRecord(self.now, "12D3-nobody"))
        self.history.refresh()
        then = self.history.at(self.history.last)
        assert then.wall_s == self.now
        found = examine_history(self.history, self.history.last)
        for finding in found:
            assert finding.seen.evidence, finding.name
            for number in finding.seen.evidence:
                assert self.history.entry(number) is not None, finding.name
            assert finding.seen.since_s <= self.now + 1.0
        return found

    def names(self) -> list[str]:
        return [finding.name for finding in self.findings()]

    def one(self, name: str):
        found = [finding for finding in self.findings() if finding.name == name]
        assert len(found) == 1, [(finding.name, finding.seen.text) for finding in self.findings()]
        return found[0].seen


@pytest.fixture
def day():
    day = Day()
    yield day
    day.history.close()


def test_a_quiet_day_has_no_findings(day) -> None:
    lamp = day.machine(A, "lamp", "On", "Exception")
    day.machine(B, "lamp", "On", "Exception")
    for second in range(1, 30):
        day.after(1.0).detail(
            A,
            messages_in=(("updates", second * 5),),
            dropped=(("old-sequence", second),),
            transport="quic",
            in_mesh=True,
        )
        day.add(
            TransitionRecord(day.now, lamp, "", "clock", (), True, (second - 1, 0), (second, 0), derived=True)
        )
    day.peer(C, "gone", "it said bye")
    assert day.names() == []
    assert badge(day.findings()) == ("", None)


def test_one_that_is_lost_without_a_bye(day) -> None:
    day.after(60).peer(A, "stale", "its connection was lost")
    seen = day.after(3).one("peer-dead")
    assert (seen.peer_id, seen.since_s, seen.confidence) == (A, NOW + 60, Confidence.LIKELY)
    day.peer(A, "gone", "out of reach: its connection was lost")
    seen = day.after(3).one("peer-dead")
    assert (seen.since_s, len(seen.evidence)) == (NOW + 60, 2)
    day.after(700)
    assert day.names() == []


def test_one_that_came_back_is_no_finding(day) -> None:
    day.after(60).peer(A, "stale", "its connection was lost").after(5).peer(A, "joined")
    assert day.names() == []


def test_several_lost_together_are_a_partition_while_others_stay(day) -> None:
    day.after(60).peer(A, "stale", "its connection was lost").after(4).peer(
        B, "stale", "nobody hears from it any longer"
    )
    assert day.names() == ["partition"]
    assert "2 peers were lost within 4.0 s, 1 stay" in day.one("partition").text


def test_lost_one_after_the_other_they_are_two_deaths(day) -> None:
    day.after(60).peer(A, "stale", "its connection was lost").after(40).peer(
        B, "stale", "its connection was lost"
    )
    assert day.names() == ["peer-dead", "peer-dead"]


def test_when_all_are_lost_it_is_us(day) -> None:
    for peer_id in (A, B, C):
        day.after(1).peer(peer_id, "stale", "its connection was lost")
    assert day.names() == ["cut-off"]
    day.add(ConnectionRecord(day.now, "reconnecting", "home", ME, detail="no answer"))
    assert day.names() == ["cut-off"]
    assert "reconnecting" in day.one("cut-off").text


def test_coming_and_going(day) -> None:
    for _ in range(3):
        day.after(10).peer(A, "stale", "its connection was lost").after(5).peer(A, "joined")
    assert day.names() == ["flapping"]


def test_restarts_under_one_identity_and_with_new_ones(day) -> None:
    for _ in range(3):
        day.after(10).notice("machine lamp: it restarted: its clock is lower; its clock starts anew", A)
    assert day.one("restarts").peer_id == A
    for number in range(3):
        day.after(5).peer(f"12D3-life{number}", "joined", name="porch")
        day.after(5).peer(f"12D3-life{number}", "gone", "it said bye", name="porch")
    assert {finding.seen.subject for finding in day.findings() if finding.name == "restarts"} == {
        "ada (aaaaaa)",
        "porch",
    }


def test_a_mute_go_peer(day) -> None:
    day.after(5).notice("ada asks again for what it was told: asyncmachine-go v0.15-v0.19 cannot read it", A)
    assert day.one("mute-go").peer_id == A


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (lambda second: {"messages_in": (("updates", 40 * second),)}, "flood"),
        (lambda second: {"dropped": (("malformed", 8 * second),)}, "flood"),
        (lambda second: {"dropped": (("malformed", 2 * second),)}, "dropped"),
        (lambda second: {"dropped": (("bad-signature", second),)}, "impostor"),
        (lambda second: {"round_trip_s": 1.5}, "slow"),
    ],
)
def test_figures_that_are_not_usual(day, figures, name) -> None:
    for second in range(1, 12):
        day.after(1).detail(A, transport="quic", in_mesh=True, **figures(second))
    assert day.names() == [name]
    assert day.one(name).peer_id == A


def test_a_flood_through_a_neighbour_names_it(day) -> None:
    for second in range(1, 8):
        day.after(1).detail(A, messages_in=(("updates", 40 * second),), through=B)
    assert "through bob" in day.one("flood").text
    day.after(30)
    assert day.names() == [], "it is over"


def test_two_programs_with_one_identity(day) -> None:
    for second in range(1, 8):
        day.after(1).detail(A, dropped=(("old-life", 3 * second),))
        day.notice("machine lamp: it restarted: its clock is lower", A)
    assert "identity-twice" in day.names()


def test_two_that_live_with_one_name(day) -> None:
    day.after(1).peer("12D3-dddddd", "joined", name="ada")
    assert day.names() == ["same-name"]


def test_our_own_peer(day) -> None:
    for second in range(1, 12):
        day.after(1).detail(ME, messages_out=(("updates", 10 * second),))
    day.notice("lamp: its description needs 600000 bytes, and 524288 fit into a message")
    day.add(
        MachineRecord(
            day.now, MachineKey(ME, TOPIC_SLOT), "ps-home", (StateShape("ErrNetwork"),), "local", clock=(1,)
        )
    )
    assert sorted(day.names()) == ["own-budget", "own-error", "too-large"]


def test_known_by_hearsay_only_for_long(day) -> None:
    day.peer("12D3-dddddd", "hearsay", name="dot")
    assert day.after(20).names() == []
    assert day.after(20).one("hearsay-only").subject.startswith("dot")


def test_connected_but_not_in_the_mesh(day) -> None:
    for _ in range(30):
        day.after(1).detail(A, transport="quic")
    assert day.names() == ["no-mesh"]
    day.after(1).detail(A, transport="quic", in_mesh=True)
    assert day.names() == []


def test_updates_that_are_missing_for_long(day) -> None:
    key = day.machine(A, "lamp", "On", source="stale", reason="updates are missing")
    assert day.after(1).names() == []
    assert day.after(4).one("behind").key == key


def test_trust_that_wavers(day) -> None:
    for _ in range(3):
        day.machine(A, "lamp", "On", source="stale", reason="updates are missing")
        day.after(2)
        day.machine(A, "lamp", "On")
        day.after(2)
    assert day.names() == ["wavering"]


def test_replicas_of_one_id_with_other_states_or_relations(day) -> None:
    day.machine(A, "order", "Idle", "Busy", slot=1)
    day.machine(B, "order", "Idle", "Busy", slot=1)
    assert day.names() == []
    key = day.machine(C, "order", "Idle", "Busy", "Paid", slot=1)
    seen = day.one("schema-mismatch")
    assert (seen.key, seen.subject) == (key, "order")
    assert "Paid" in seen.text
    day.machine(C, "order", StateShape("Idle", remove=("Busy",)), "Busy", slot=1)
    assert "other relations" in day.one("schema-mismatch").text


def test_an_error_that_stays_with_the_record_that_made_it(day) -> None:
    lamp = day.machine(A, "lamp", "On", "ErrBulb")
    day.after(1).add(TransitionRecord(day.now, lamp, "", "clock", (), True, (0, 0), (0, 1), derived=True))
    number = day.history.last
    assert day.after(5).names() == []
    seen = day.after(10).one("in-error")
    assert (seen.evidence, seen.key, seen.since_s) == ((number,), lamp, NOW + 1)
    day.add(TransitionRecord(day.now, lamp, "", "clock", (), True, (0, 1), (0, 2), derived=True))
    assert day.names() == []


def test_a_handler_that_took_too_long(day) -> None:
    lamp = day.machine(ME, "lamp", "On", "Exception", source="local")
    error = "HandlerTimeoutError: OnState took longer than 1 s"
    day.after(1).add(TransitionRecord(day.now, lamp, "1", "add", ("On",), False, (0, 0), (0, 0), error=error))
    assert "OnState" in day.one("handler-timeout").text


def test_a_queue_that_stands_still(day) -> None:
    lamp = day.machine(ME, "lamp", "On", source="local")
    day.after(1).add(CommandRecord(day.now, lamp, "add", ("On",), (), "queued"))
    assert day.after(2).names() == []
    assert day.after(4).names() == ["queue-stands"]
    day.add(TransitionRecord(day.now, lamp, "2", "add", ("On",), True, (0,), (1,)))
    assert day.names() == []


def test_the_wall_clock_set_back_and_a_hole_in_the_recording(day) -> None:
    day.after(10).notice("before")
    day.now -= 60
    day.steady += 1
    day.notice("after")
    assert "set back by 61.0 s" in day.one("clock-set-back").text
    day.add(LossRecord(day.now, "gap", 7, 3, 9, "7 records could not be written"))
    assert "not-recorded" in day.names()


def test_the_worst_comes_first_and_is_in_the_badge(day) -> None:
    day.after(1).peer("12D3-dddddd", "joined", name="ada").peer(B, "stale", "its connection was lost")
    found = day.findings()
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.INFO]
    assert badge(found) == ("peer-dead +1", Severity.ERROR)


def test_the_past_is_examined_as_it_was(day) -> None:
    day.after(60).peer(A, "stale", "its connection was lost")
    number = day.history.last
    day.after(60).peer(A, "joined")
    assert day.names() == []
    assert [finding.name for finding in examine_history(day.history, number)] == ["peer-dead"]


def test_every_finding_is_told_in_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text("utf-8")
    for check in CHECKS:
        assert (
            f"| `{check.name}` | {check.severity.name.lower()} | {check.meaning} | {check.remedy} |" in page
        )
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("name", ["schema-mismatch", "flood", "clock-set-back", "same-name"])
def test_a_known_fault_of_a_simulated_day_is_found(name) -> None:
    scene = days.SCENES[name]
    outcome = days.run(3, scene.fault, 8.0)
    assert scene.finding in outcome.found_s
    assert outcome.before == set()
    assert set(outcome.found_s) <= {scene.finding, *scene.also}


def test_a_healthy_simulated_day_gives_no_alarm() -> None:
    outcome = days.run(1_003, days.healthy, 45.0, 5.0)
    assert (outcome.before, outcome.texts) == (set(), {})
