"""What a seal lets through, and that one wrong byte anywhere is enough to keep it shut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampubsub.seal import Secret, keys
from ampubsub.seal.keys import OVERHEAD_BYTES

OURS = Secret((b"k" * 32,))
OLD = Secret((b"o" * 32,))
BOTH = Secret((b"k" * 32, b"o" * 32))
A, B, STRANGER = "12D3KooWA", "12D3KooWB", "12D3KooWS"


@given(st.binary(max_size=300), st.text(max_size=20))
def test_who_holds_the_key_reads_what_was_sealed(data: bytes, topic: str) -> None:
    sealed = OURS.seal(topic, A, data)
    assert OURS.open(topic, A, sealed) == data
    assert len(sealed) == len(data) + OVERHEAD_BYTES


def test_the_same_message_is_sealed_differently_each_time_and_shows_nothing_of_itself() -> None:
    one, other = OURS.seal("home", A, b"lamp on" * 9), OURS.seal("home", A, b"lamp on" * 9)
    assert one != other
    assert b"lamp" not in one
    assert len({OURS.seal("home", A, b"")[5:29] for _ in range(500)}) == 500


@pytest.mark.parametrize(
    ("topic", "author", "secret"),
    [
        pytest.param("home", STRANGER, OURS, id="signed by another"),
        pytest.param("house", A, OURS, id="of another topic"),
        pytest.param("home", A, OLD, id="with another key"),
    ],
)
def test_a_seal_holds_for_one_topic_one_author_and_one_key(topic: str, author: str, secret: Secret) -> None:
    assert secret.open(topic, author, OURS.seal("home", A, b"on")) is None


def test_one_wrong_byte_anywhere_is_enough() -> None:
    sealed = OURS.seal("home", A, b"lamp")
    for place in range(len(sealed)):
        for wound in (1, 0x80):
            wrong = bytearray(sealed)
            wrong[place] ^= wound
            assert OURS.open("home", A, bytes(wrong)) is None
    for end in range(len(sealed)):
        assert OURS.open("home", A, sealed[:end]) is None
    assert OURS.open("home", A, sealed + b"\x00") is None


def test_the_newest_key_seals_and_all_open() -> None:
    old = OLD.seal("home", A, b"old")
    new = BOTH.seal("home", A, b"new")
    assert BOTH.open("home", A, old) == b"old"
    assert (OURS.open("home", A, new), OLD.open("home", A, new)) == (b"new", None)


def test_the_name_on_the_wire_says_nothing_and_differs_by_topic_and_key() -> None:
    (name,) = OURS.wire_names("home")
    assert name.startswith("am1-")
    assert len(name) == 36
    assert "home" not in name
    assert OURS.wire_names("home") == (name,)
    assert len({name, *OURS.wire_names("house"), *OLD.wire_names("home")}) == 3
    assert BOTH.wire_names("home") == (name, *OLD.wire_names("home"))


def test_a_frame_is_taken_from_its_sender_by_its_receiver_only() -> None:
    frame = OURS.seal_frame(A, B, b"sync")
    assert OURS.open_frame(A, B, frame) == b"sync"
    assert OURS.open_frame(B, A, frame) is None  # sent back to us as if it were theirs
    assert OURS.open_frame(STRANGER, B, frame) is None  # passed on by a stranger as its own
    assert OURS.open_frame(A, STRANGER, frame) is None
    assert OLD.open_frame(A, B, frame) is None
    assert BOTH.open_frame(A, B, OLD.seal_frame(A, B, b"old")) == b"old"


def test_a_message_is_no_frame_and_a_frame_no_message() -> None:
    assert OURS.open_frame(A, B, OURS.seal(f"{A}>{B}", A, b"x")) is None
    assert OURS.open("", f"{A}>{B}", OURS.seal_frame(A, B, b"x")) is None


def test_a_secret_shows_ids_and_never_a_key() -> None:
    secret = Secret.new()
    assert len(secret.keys[0]) == 32
    assert secret.keys[0].hex() not in repr(secret)
    assert repr(secret) == f"Secret({secret.ids[0]})"
    assert Secret.new().ids != secret.ids
    assert len(BOTH.ids) == 2


@pytest.mark.parametrize(
    "keys", [(), (b"k" * 31,), (b"k" * 32, b"k" * 32), tuple(bytes([i]) * 32 for i in range(9))]
)
def test_a_secret_of_no_key_a_short_one_one_twice_or_too_many_is_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="key"):
        Secret(keys)


def test_eight_keys_are_taken() -> None:
    assert len(Secret(tuple(bytes([i]) * 32 for i in range(8))).ids) == 8


def test_the_bytes_of_a_seal_stay_what_they_are() -> None:
    """Derived names and keys must not change between versions: members of two versions could not read each other."""
    assert OURS.wire_names("home") == ("am1-6e67e0f02fef91c62474f9017c395cee",)
    assert OURS.ids == ("406a4b34",)
    assert (
        OURS.open(
            "home",
            A,
            bytes.fromhex(
                "017c0b615a8f6ae9e16d2a8e678880aed633178c828e30fd7ad392f446013f5ed425fc417cc4f2b12fcf86d2e5b1ce75c7"
            ),
        )
        == b"lamp"
    )
    assert (
        OURS.open_frame(
            A,
            B,
            bytes.fromhex(
                "01fec3517f54dad57f9c01b2efdd5127cac6d330486137a136bc2dfb0a06660111070493110f641a9d22d45d906897f2bf"
            ),
        )
        == b"sync"
    )


def test_junk_costs_less_than_a_message() -> None:
    """What is not for us is refused by its first bytes; a wrong seal under the right id costs one opening, of one key."""
    opened: list[bytes] = []
    original = keys.crypto_aead_xchacha20poly1305_ietf_decrypt

    def count(sealed: bytes, *others: bytes) -> bytes:
        opened.append(sealed)
        return bytes(original(sealed, *others))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "crypto_aead_xchacha20poly1305_ietf_decrypt", count)
        eight = Secret(tuple(bytes([number]) * 32 for number in range(8)))
        for junk in (
            b"",
            b"\x01" * 44,
            b"\x00" * 500,
            b"\x01" * 500,
            OLD.seal("home", A, b"x"),
            b"\x02" + OURS.seal("home", A, b"x")[1:],
        ):
            assert eight.open("home", A, junk) is None
        assert opened == []
        sealed = bytearray(eight.seal("home", A, b"x"))
        sealed[-1] ^= 1
        assert eight.open("home", A, bytes(sealed)) is None
        assert len(opened) == 1
