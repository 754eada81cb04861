"""A topic of many peers in one process: the protocol core under virtual time, without trio, sockets or machines.

One heap of events holds everything that will happen (`schedule`). Links carry messages with delay, loss and worse
(`network`), each peer drives one `ampubsub.topic.protocol.Protocol` (`peer`), faults are small objects in a list
(`faults`, `villains`), and what is true is known and compared with what peers believe (`truth`). One seed gives
the same bytes each time; a failing seed is made smaller (`shrink`) and written as a history that the screen opens.

Tests (`tests/sim`) and benchmarks (`benchmarks/scale.py`) use it; it is not part of the wheel.
"""
