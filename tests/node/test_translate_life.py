"""What we believe of a peer's life, and who says so, becomes part of its figures."""

from __future__ import annotations

from amdbg_tui.node.translate import WITNESSES, detail_record
from ampubsub.topic import PeerInfo, PeerStatus
from ampubsub.topic.peers import LifeVerdict, Witness


def test_a_verdict_is_recorded_with_its_reason_and_its_witnesses() -> None:
    many = tuple(Witness(f"peer-{at:02}", 1.0) for at in reversed(range(20)))
    info = PeerInfo(
        "x",
        PeerStatus.STALE,
        verdict=LifeVerdict.DOUBTED,
        verdict_reason="boiler lost it \x1b[2J",
        witnesses=many,
    )
    record = detail_record("x", info, None, "home", 0.0)
    assert record.verdict == "doubted"
    assert record.verdict_reason.startswith("boiler lost it")
    assert "\x1b" not in record.verdict_reason
    assert record.witnesses == tuple(f"peer-{at:02}" for at in range(WITNESSES))
    assert detail_record("x", None, None, "home", 0.0).verdict == ""
