"""asyncmachine peers for Python: state machines, and a libp2p topic that shares them."""
