"""The address book of a topic: where its peers were met, newest first, in a file of its owner's only.

A peer comes into it when a dial succeeded and it took part in the topic, never because somebody said so. The file is
text, one multiaddr a line, `# topic NAME` first, so that a person can read and mend it; whatever is not an address
is ignored. Two programs may share a book: the file is replaced as a whole, and the last one to write wins.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ampubsub.discovery.found import Found, How, sound_addresses, topic_tag

MOST_PEERS = 64
MOST_LINES = 4
"""Addresses of one peer."""
_LONGEST_FILE = 65_536
_TOPIC_LINE = "# topic "


class AddressBook:
    """Peers of one topic that were met, in `folder / TAG`."""

    def __init__(self, folder: Path, topic: str) -> None:
        self._path = folder / topic_tag(topic)
        self._topic = topic
        self._peers: dict[str, tuple[str, ...]] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def read(self) -> tuple[Found, ...]:
        """The peers in the file, those met last first. A book that cannot be read is empty."""
        self._peers = _read(self._path)[1]
        tags = frozenset([topic_tag(self._topic)])
        return tuple(Found(peer, addresses, tags, How.BOOK) for peer, addresses in self._peers.items())

    def met(self, peer_id: str, addresses: Iterable[str]) -> None:
        """A dial to the first of `addresses` succeeded and the peer takes part: write it to the front.

        Raises `OSError` when the file cannot be written.
        """
        own = sound_addresses(addresses, local_only=False).get(peer_id)
        if not own:
            return
        before = _read(self._path)[1] or self._peers
        kept = tuple(dict.fromkeys((*own, *before.get(peer_id, ()))))[:MOST_LINES]
        if next(iter(before), None) == peer_id and before[peer_id] == kept:
            return
        others = {peer: known for peer, known in before.items() if peer != peer_id}
        self._peers = dict(list({peer_id: kept, **others}.items())[:MOST_PEERS])
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = json.dumps(self._topic)  # whatever it holds, it stays on one line
        lines = [_TOPIC_LINE + name, *(address for peer in self._peers.values() for address in peer)]
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".book-")  # for its owner only
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def read_books(folder: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Topic name to its met peers and their addresses, of all books in a folder (those that cannot be read are left out)."""
    books: dict[str, dict[str, tuple[str, ...]]] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))[:MOST_PEERS]
    except OSError:
        return {}
    for path in paths:
        topic, peers = _read(path)
        if topic and peers and topic_tag(topic) == path.name:
            books[topic] = peers
    return books


def _read(path: Path) -> tuple[str, dict[str, tuple[str, ...]]]:
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_FILE).decode("utf-8", "replace")
    except OSError:
        return "", {}
    lines = text.splitlines()
    topic = ""
    if lines and lines[0].startswith(_TOPIC_LINE):
        try:
            name = json.loads(lines[0].removeprefix(_TOPIC_LINE))
            topic = name if isinstance(name, str) else ""
        except ValueError:
            topic = ""
    found = sound_addresses((line.strip() for line in lines), local_only=False)
    peers = {peer: addresses[:MOST_LINES] for peer, addresses in found.items()}
    return topic, dict(list(peers.items())[:MOST_PEERS])
