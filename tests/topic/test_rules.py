"""The rules of the protocol stand once: the documentation prints them, and each number in them exists."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path

from ampubsub.topic import TopicSettings, constants
from ampubsub.topic.rules import RULES, as_markdown

ROOT = Path(__file__).parents[2]


def test_the_documentation_prints_the_table_of_rules_as_it_stands_in_the_source() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    assert as_markdown() in page, (
        "print it anew: python -c 'from ampubsub.topic.rules import *; print(as_markdown())'"
    )


def test_each_rule_has_a_number_of_its_own_a_force_and_a_file() -> None:
    assert len({rule.number for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.force in ("MUST", "SHOULD")
        import_module(f"ampubsub.topic.{rule.where}")


def test_each_number_in_a_rule_is_a_constant_or_a_setting_and_each_timer_is_in_a_rule() -> None:
    known = {name for name in vars(constants) if name.isupper()} | {
        field.name for field in fields(TopicSettings)
    }
    named = {name for rule in RULES for name in rule.timer.split()}
    assert named <= known
    outside = {  # of the topic machine, of measuring, and bounds that are no rule
        "HANDLER_TIMEOUT_S", "DIALS_AT_ONCE", "REDIAL_FIRST_S", "REDIAL_MAX_S", "REDIAL_SETTLED_S", "INBOX", "BATCH",
        "RESTART_S", "ROUND_TRIPS_MEASURED", "SPREAD_ROUND_TRIPS", "USUAL_ROUND_TRIP_S", "PACE_MAX", "FEWER_FIRST",
        "HEARTBEAT_S", "GO_HEARTBEAT_S", "FRAME_BYTES", "MACHINES", "STATES", "NAME_CHARS", "REMEMBERED",
    }  # fmt: skip
    assert {name for name in vars(constants) if name.isupper()} - named == outside
