"""The network as one small interface, with two implementations: libp2p and memory."""
