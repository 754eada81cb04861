"""What `find` prints: a table, and lines to copy that hold nothing a stranger could make one type by mistake."""

from __future__ import annotations

import json

from amdbg_tui.find_command import Seen, as_lines, as_record, join_lines
from ampubsub.discovery import How, topic_tag

AT = "/ip4/192.168.1.7/udp/1/quic-v1/p2p/12D3KooWanna"


def seen(*topics: str, answers: bool = True, tags: frozenset[str] = frozenset()) -> Seen:
    return Seen("12D3KooWanna", How.MDNS, (AT,), tags, set(topics), "go", answers, "no answer" if not answers else "", AT if answers else "")  # fmt: skip


def test_a_peer_that_answers_gives_a_line_to_copy_for_each_topic() -> None:
    lines = list(as_lines([seen("home", "two words")], "", "ampubsub-tui"))
    assert lines[0].split() == ["PEER", "FOUND", "ANSWERS", "TOPICS", "ADDRESS"]
    assert lines[1].split()[:3] == ["…KooWanna", "mdns", "yes"]
    assert lines[-2:] == [
        f"  ampubsub-tui join {AT} --topic home",
        f"  ampubsub-tui join {AT} --topic 'two words'",
    ]


def test_who_does_not_answer_is_listed_with_the_reason_and_offered_to_nobody() -> None:
    lines = list(as_lines([seen("home", answers=False)], "", "ampubsub-tui"))
    assert "no: no answer" in lines[1]
    assert len(lines) == 2


def test_text_of_strangers_is_made_harmless_and_never_offered_for_copying() -> None:
    evil = ["\x1b]0;x\x07", "a\nb", "\u202egnp", "x" * 300]
    lines = list(as_lines([seen(*evil)], "", "ampubsub-tui"))
    assert all(line.isprintable() for line in lines)
    assert list(join_lines([seen(*evil)], "p")) == []
    assert list(join_lines([seen("$(reboot)")], "p"))[-1].endswith("--topic '$(reboot)'")


def test_a_topic_without_a_known_name_is_called_by_its_tag() -> None:
    tag = topic_tag("garden")
    lines = list(as_lines([seen("home", tags=frozenset([tag, topic_tag("home")]))], "", "p"))
    assert f"home, (unknown {tag[:4]})" in lines[1]
    record = as_record(seen("home", tags=frozenset([tag, topic_tag("home")])))
    assert json.loads(json.dumps(record))["unknown_topics"] == [tag]


def test_nobody_and_trouble_are_said_in_words() -> None:
    assert next(iter(as_lines([], "mDNS cannot be used: no way", "p"))) == "mDNS cannot be used: no way"
    assert "nobody was found" in next(iter(as_lines([], "", "p")))
