"""What py-libp2p 0.8.1 needs to stay well: one small named function for each trap, by concern.

`FOR_PLANS` change how a host is made, `FOR_PARTS` change a host that was made and not yet started. A few
traps need a task or an order of steps instead of a change: those are functions of their own, used by
`session`. `tests/transport/test_libp2p_traps_*.py` shows for each what happens without it, so that a mended
py-libp2p is noticed.
"""

from ampubsub.transport.libp2p.workarounds import gossipsub, pubsub, quic, swarm, tcp

FOR_PLANS = (
    quic.let_streams_be_silent,
    quic.notice_dead_peers,
    quic.knock_often,
    quic.read_packets_at_once,
    tcp.speak_yamux_only,
    swarm.encrypt_always,
    swarm.lift_hidden_limits,
    gossipsub.beat_every_second,
    gossipsub.let_messages_flow,
    gossipsub.speak_1_1,
)

FOR_PARTS = (
    quic.certify_for_all_times,
    quic.end_connections_in_full,
    swarm.connect_only_when_told,
    swarm.contain_stream_handlers,
    swarm.free_inbound_slots,
    swarm.never_dial_on_the_side,
    swarm.identify_later,
    pubsub.stop_cache_thread,
    pubsub.open_streams_again,
    pubsub.send_no_peer_record,
    gossipsub.gossip_to_pruned_peers,
    gossipsub.score_nobody,
)

__all__ = ["FOR_PARTS", "FOR_PLANS", "gossipsub", "pubsub", "quic", "swarm", "tcp"]
