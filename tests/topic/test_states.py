"""The shared state schemas have the names, order and relations of their Go counterparts."""

from __future__ import annotations

from ampubsub.states import CONNECTED_GROUP, TOPIC_GROUPS, TOPIC_SCHEMA, TOPIC_STATES


def test_every_topic_state_has_its_place_in_the_order() -> None:
    assert set(TOPIC_STATES) == set(TOPIC_SCHEMA)
    assert len(TOPIC_STATES) == len(set(TOPIC_STATES)) == 40
    assert TOPIC_STATES[:7] == (
        "Exception", "ErrJoining", "ErrListening", "Joining", "Joined", "Started", "MissPeersByUpdates"
    )  # fmt: skip
    assert TOPIC_STATES[-3:] == ("RegisterDisposal", "Disposing", "Disposed")


def test_all_relations_name_states_that_exist() -> None:
    for name, state in TOPIC_SCHEMA.items():
        for other in (*state.require, *state.add, *state.remove, *state.after):
            assert other in TOPIC_SCHEMA, (name, other)


def test_everything_a_joined_peer_does_requires_joined() -> None:
    own = set(TOPIC_GROUPS["self"]) - {"ErrJoining", "ErrListening", "Joining", "Joined", "Started"}
    assert all(TOPIC_SCHEMA[name].require == ("Joined",) for name in own)
    assert TOPIC_SCHEMA["Ready"].auto
    assert TOPIC_SCHEMA["Ready"].require == ("Joined",)
    assert not TOPIC_SCHEMA["SendInfo"].multi
    assert TOPIC_SCHEMA["ProcessMsgs"].multi


def test_the_four_connection_states_exclude_each_other() -> None:
    for name in CONNECTED_GROUP:
        assert set(TOPIC_SCHEMA[name].remove) >= set(CONNECTED_GROUP) - {name}
    assert TOPIC_SCHEMA["Disconnected"].auto


def test_a_group_for_each_inherited_part() -> None:
    assert list(TOPIC_GROUPS) == [
        "self", "BasicStatesDef", "ConnectedStatesDef", "DisposedStatesDef", "Connected"
    ]  # fmt: skip
