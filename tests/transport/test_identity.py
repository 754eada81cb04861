"""The file that keeps an identity: made once, whole, for its owner only, and used by one program at a time."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from ampubsub.transport.interface import TransportError
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings


def test_an_identity_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "key"
    first = Identity.keep(file)
    assert Identity.keep(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["key"], "nothing else is left there"


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key"
    first = Identity.keep(file)
    assert not Identity.new().write(file)
    assert Identity.keep(file) == first
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "nowhere")
    with pytest.raises(TransportError, match="a link to nowhere"):
        Identity.keep(tmp_path / "key")


def test_programs_that_start_at_once_get_the_same_identity(tmp_path: Path) -> None:
    for round_ in range(20):
        file = tmp_path / f"key{round_}"
        found: list[str] = []
        gate = threading.Barrier(4)

        def start(file: Path = file, found: list[str] = found, gate: threading.Barrier = gate) -> None:
            gate.wait()
            found.append(Identity.keep(file).peer_id)

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(found)) == 1


@pytest.mark.trio
@pytest.mark.network
async def test_an_identity_is_used_by_one_program_at_a_time(tmp_path: Path) -> None:
    settings = TransportSettings(key_file=tmp_path / "key")
    one, two = Libp2pTransport(settings), Libp2pTransport(settings)
    assert one.peer_id == two.peer_id
    async with one.opened([]):
        with pytest.raises(TransportError, match=r"key is in use by another program"):
            async with two.opened([]):
                pass
    async with two.opened([]):
        pass
