"""The address book: written on meeting only, for its owner's eyes, bounded, and mendable by hand."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ampubsub.discovery import AddressBook, How, topic_tag
from ampubsub.discovery.book import read_books
from ampubsub.transport.libp2p.identity import Identity

PEERS = [Identity.new(number.to_bytes(32, "big")).peer_id for number in range(1, 80)]


def at(peer: str, port: int = 7410) -> str:
    return f"/ip4/192.168.1.7/udp/{port}/quic-v1/p2p/{peer}"


def known(book: AddressBook) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.peer_id, found.addresses) for found in book.read()]


def test_who_was_met_last_stands_first_and_a_new_program_reads_it(tmp_path: Path) -> None:
    book = AddressBook(tmp_path / "peers", "home")
    book.met(PEERS[0], [at(PEERS[0])])
    book.met(PEERS[1], [at(PEERS[1])])
    again = AddressBook(tmp_path / "peers", "home")
    assert known(again) == [(PEERS[1], (at(PEERS[1]),)), (PEERS[0], (at(PEERS[0]),))]
    again.met(PEERS[0], [at(PEERS[0])])
    assert [peer for peer, _ in known(book)] == [PEERS[0], PEERS[1]]
    (found, _) = book.read()
    assert (found.how, found.topics) == (How.BOOK, {topic_tag("home")})


def test_the_book_and_its_folder_are_their_owners_only(tmp_path: Path) -> None:
    book = AddressBook(tmp_path / "peers", "home")
    book.met(PEERS[0], [at(PEERS[0])])
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(book.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in book.path.parent.iterdir()] == [topic_tag("home")]


def test_addresses_of_others_do_not_come_in_with_a_peer(tmp_path: Path) -> None:
    book = AddressBook(tmp_path, "home")
    book.met(PEERS[0], [at(PEERS[1]), "nonsense"])
    assert not book.path.exists()
    book.met(PEERS[0], [at(PEERS[0]), at(PEERS[1])])
    assert known(book) == [(PEERS[0], (at(PEERS[0]),))]


def test_a_peer_keeps_its_four_newest_addresses_and_the_book_64_peers(tmp_path: Path) -> None:
    book = AddressBook(tmp_path, "home")
    for port in range(1, 8):
        book.met(PEERS[0], [at(PEERS[0], port)])
    assert known(book) == [(PEERS[0], tuple(at(PEERS[0], port) for port in (7, 6, 5, 4)))]
    for peer in PEERS:
        book.met(peer, [at(peer)])
    assert [peer for peer, _ in known(book)] == PEERS[::-1][:64]
    assert len(book.path.read_text().splitlines()) == 65


def test_each_topic_has_a_book_of_its_own_and_the_shelf_knows_their_names(tmp_path: Path) -> None:
    wild = "home\n/ip4/1.2.3.4/udp/1/quic-v1/p2p/" + PEERS[9]
    for number, topic in enumerate(("home", wild, "\udcff")):
        AddressBook(tmp_path, topic).met(PEERS[number], [at(PEERS[number])])
    assert read_books(tmp_path) == {
        topic: {PEERS[number]: (at(PEERS[number]),)} for number, topic in enumerate(("home", wild, "\udcff"))
    }
    assert known(AddressBook(tmp_path, "house")) == []
    assert read_books(tmp_path / "none") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\xff",
        "# topic 5\n",
        "# topic {",
        '# topic "house"\n' + at(PEERS[0]),
        "nonsense\n/ip4/x\n",
        "/" * 100_000,
    ],
)
def test_a_book_that_is_none_is_an_empty_shelf_and_is_written_anew(tmp_path: Path, text: str) -> None:
    book = AddressBook(tmp_path, "home")
    book.path.write_text(text)
    assert read_books(tmp_path) == {}
    book.met(PEERS[1], [at(PEERS[1])])
    assert known(book)[0] == (PEERS[1], (at(PEERS[1]),))


def test_a_book_can_be_mended_by_hand(tmp_path: Path) -> None:
    book = AddressBook(tmp_path, "home")
    book.path.write_text(f"# my own\n\n  {at(PEERS[0])}  \n# {at(PEERS[1])}\nnonsense\n{at(PEERS[2])}\n")
    assert [peer for peer, _ in known(book)] == [PEERS[0], PEERS[2]]


def test_a_book_that_cannot_be_written_is_an_error_and_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):  # noqa: PT011 - whichever the system gives
        AddressBook(tmp_path / "file" / "peers", "home").met(PEERS[0], [at(PEERS[0])])


def test_meeting_the_same_peer_at_the_same_place_again_writes_nothing(tmp_path: Path) -> None:
    book = AddressBook(tmp_path, "home")
    book.met(PEERS[0], [at(PEERS[0])])
    before = book.path.stat().st_ino
    book.met(PEERS[0], [at(PEERS[0])])
    assert book.path.stat().st_ino == before
