"""`--allow` and `--deny`: a list that cannot be used is one line, one that can reaches the transport."""

from __future__ import annotations

import pytest

from amdbg_tui.doors_options import make_doors
from amdbg_tui.input_error import InputError
from amdbg_tui.settings import DiscoverySettings, Locations

PEER = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"


def doors(**given):
    nothing = {"mdns": None, "bootstrap": (), "identity": "", "secret": "", "allow": "", "deny": ""}
    return make_doors(Locations(), DiscoverySettings(), **{**nothing, **given})


def test_lists_reach_the_transport(tmp_path) -> None:
    path = tmp_path / "friends"
    path.write_text(f"{PEER}  # the boiler\n")
    transport = doors(allow=str(path), deny=str(path)).make_transport()
    assert (transport._settings.allow_file, transport._settings.deny_file) == (path, path)
    assert doors().allow is None


@pytest.mark.parametrize(("text", "words"), [("nobody\n", "line 1"), (None, "No such file")])
def test_a_list_that_cannot_be_used_is_refused_with_its_place(tmp_path, text, words) -> None:
    path = tmp_path / "friends"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words):
        doors(deny=str(path))
