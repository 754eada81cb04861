"""State schemas shared by peers, one table each: basic, connected, disposed, topic."""

from ampubsub.states.basic import BASIC_SCHEMA, BASIC_STATES
from ampubsub.states.connected import CONNECTED_GROUP, CONNECTED_SCHEMA, CONNECTED_STATES
from ampubsub.states.disposed import DISPOSED_SCHEMA, DISPOSED_STATES
from ampubsub.states.topic import TOPIC_GROUPS, TOPIC_OWN_STATES, TOPIC_SCHEMA, TOPIC_STATES

__all__ = [
    "BASIC_SCHEMA",
    "BASIC_STATES",
    "CONNECTED_GROUP",
    "CONNECTED_SCHEMA",
    "CONNECTED_STATES",
    "DISPOSED_SCHEMA",
    "DISPOSED_STATES",
    "TOPIC_GROUPS",
    "TOPIC_OWN_STATES",
    "TOPIC_SCHEMA",
    "TOPIC_STATES",
]
