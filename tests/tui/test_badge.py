"""The doctor's badge in the status line: of the moment that is looked at, and nothing when all is well."""

from __future__ import annotations

import time

import pytest

from amdbg_tui.history import History
from amdbg_tui.history.records import ConnectionRecord, PeerRecord
from amdbg_tui.panes import status
from amdbg_tui.panes.view import View


def _line(view: View) -> str:
    left, _ = status.status(view, 160, (), {})
    return "".join(text for text, _ in left)


@pytest.fixture
def history():
    now = time.time()
    with History(None) as history:
        history.append(
            [
                ConnectionRecord(now - 90, "joined", "home", "me"),
                PeerRecord(now - 90, "peer-ada", "joined", "ada"),
                PeerRecord(now - 90, "peer-bob", "joined", "bob"),
                PeerRecord(now - 60, "peer-bob", "stale", "bob", "its connection was lost"),
            ]
        )
        history.refresh()
        yield history


def test_the_worst_finding_is_in_the_status_line(history) -> None:
    view = View(history)
    assert "✚" not in _line(view), "nobody was asked yet"
    view.examine()
    assert "│ ✚ peer-dead" in _line(view)
    left, _ = status.status(view, 160, (), {})
    assert ("✚ peer-dead", "error bold") in left


def test_the_past_has_its_own_badge_and_a_healthy_moment_none(history) -> None:
    view = View(history)
    view.go_to(3)
    view.examine()
    assert view.now.moment == 3
    assert "✚" not in _line(view)


def test_the_doctor_is_asked_every_two_seconds_at_most(history, monkeypatch) -> None:
    now, view = 1_000.0, View(history)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view.examine()
    found = view.findings
    assert [finding.name for finding in found] == ["peer-dead"]
    history.append([PeerRecord(time.time(), "peer-bob", "joined", "bob")])
    history.refresh()
    view.examine()
    assert view.findings is found
    now += 2.0
    view.examine()
    assert view.findings == ()
