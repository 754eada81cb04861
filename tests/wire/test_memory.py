"""What was decoded lately is kept, and never more of it than allowed."""

from __future__ import annotations

from ampubsub.wire.memory import Memory


def test_the_longest_unused_go_first() -> None:
    memory = Memory(max_values=2, max_bytes=100)
    memory.put(b"a", 1)
    memory.put(b"b", 2)
    assert memory.get(b"a") == 1
    memory.put(b"c", 3)
    assert [memory.get(key) for key in (b"a", b"b", b"c")] == [1, None, 3]
    assert len(memory) == 2


def test_bytes_are_counted_and_given_back() -> None:
    memory = Memory(max_values=10, max_bytes=10)
    memory.put(b"x" * 6, 1)
    memory.put(b"y" * 4, 2)
    assert (len(memory), memory.held_bytes) == (2, 10)
    memory.put(b"y" * 4, 3)
    assert (len(memory), memory.held_bytes) == (2, 10)
    memory.put(b"z", 4)
    assert (len(memory), memory.held_bytes, memory.get(b"x" * 6)) == (2, 5, None)
    assert memory.get(b"y" * 4) == 3


def test_what_is_longer_than_all_that_may_be_kept_drives_nothing_out() -> None:
    memory = Memory(max_values=10, max_bytes=10)
    memory.put(b"a", 1)
    memory.put(b"x" * 11, 2)
    assert (memory.get(b"a"), memory.get(b"x" * 11)) == (1, None)
    memory.put(b"x" * 10, 3)
    assert (memory.get(b"a"), memory.get(b"x" * 10)) == (None, 3)
