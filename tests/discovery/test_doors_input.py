"""Whatever is wrong with --bootstrap, --identity, --secret, the settings of discovery and `secret`: one line, status 2."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from amdbg_tui import cli
from ampubsub.seal import read_secret
from ampubsub.transport.libp2p.identity import Identity

ADDRESS = f"/ip4/127.0.0.1/udp/9/quic-v1/p2p/{Identity.new(b'1' * 32).peer_id}"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(arguments)
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["peer"], "“ampubsub-tui find” shows who is there"),
        (["peer", "--mdns"], "whom to join?"),
        (
            ["peer", "--topic", "x", "--bootstrap", "nothing-here"],
            "cannot read the list of addresses nothing-here",
        ),
        (["peer", "--topic", "x", "--bootstrap", "empty"], "has no address in it"),
        (["peer", "--topic", "x", "--bootstrap", "bad"], "bad, line 2: "),
        (
            ["peer", "--topic", "x", "--bootstrap", "/ip4/127.0.0.1/udp/9/quic-v1/p2p/x"],
            "not base58|no multihash",
        ),
        (["peer", "--topic", "x", "--identity", "bad"], "others may read the identity in bad: chmod 600"),
        (["peer", "--topic", "x", "--identity", "empty0600"], "not an ed25519 key"),
        (["peer", "--topic", "x", "--identity", "."], "is no file"),
        (["peer", "--topic", "x", "--identity", "empty/key"], "Cannot (read|write) the key file"),
        (["peer", "--topic", "x", "--secret", "none"], "secret new none"),
        (["peer", "--topic", "x", "--secret", "bad"], "chmod 600"),
        (["peer", "--topic", "x", "--secret", "empty0600"], "is no secret of a topic"),
        (["peer", "--topic", "x", "--secret", "."], "is no file"),
        (["peer", ADDRESS, "--secret", "good"], "give it with --topic NAME"),
        (["secret", "new", "good"], "good exists: a secret is never overwritten"),
        (["secret", "new", "no/such/folder"], "cannot write the secret"),
        (["secret", "show", "none"], "there is no secret in none"),
        (["find", "--wait", "0"], "0.1"),
        (["find", "--wait", "nan"], "nan"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    run: Run, arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    import re

    (tmp_path / "empty").write_text("")
    (tmp_path / "empty0600").touch(0o600)
    (tmp_path / "bad").write_text(f"{ADDRESS}\nnonsense\n")
    assert run("secret", "new", "good")[0] == 0
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert re.search(complaint, err), err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('interfaces = ["lo"]', "discovery.interfaces: 'lo' is no IPv4 address"),
        ('service = "home"', "discovery.service: 'home' is no mDNS service"),
        ("mdns = 1", "discovery.mdns must be true or false"),
        ('bootstrap = ["none"]', "cannot read the list of addresses none"),
        ("mdsn = true", "did you mean discovery.mdns?"),
    ],
)
def test_wrong_settings_are_one_line_and_status_2(
    run: Run, line: str, complaint: str, tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "ampubsub-tui"
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(f"[discovery]\n{line}\n")
    status, out, err = run("peer", "--topic", "x", "--mdns")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_an_interface_that_is_not_there_is_told_and_is_no_crash(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "ampubsub-tui"
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text('[discovery]\ninterfaces = ["192.0.2.77"]\n')
    status, out, _ = run("find", "--wait", "0.1")
    assert status == 1
    assert out.startswith("mDNS cannot be used on 192.0.2.77")


def test_a_new_secret_is_its_owners_only_and_its_key_is_never_shown(run: Run, tmp_path: Path) -> None:
    status, out, err = run("secret", "new", "home.key")
    assert (status, err) == (0, "")
    secret = read_secret(tmp_path / "home.key")
    assert stat.S_IMODE((tmp_path / "home.key").stat().st_mode) == 0o600
    assert secret.ids[0] in out
    assert "--secret home.key" in out
    shown = run("secret", "show", "home.key")[1]
    assert shown == f"{secret.ids[0]}   seals, opens\n"
    assert secret.keys[0].hex() not in out + shown
