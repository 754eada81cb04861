"""Settings come from one TOML file, and a fault in it is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from amdbg_tui.settings import Locations, Settings, SettingsError, load_settings


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml") == Settings()


def test_a_file_may_set_any_part(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'theme = "light"\nmouse = false\n[keys]\nquit = "q"\n[history]\nbatch = 10\ninterval_s = 1\n'
        '[peer]\nname = "anna"\nlisten = ["/ip4/127.0.0.1/udp/0/quic-v1"]\n'
    )
    found = load_settings(path)
    assert (found.theme, found.mouse, found.keys) == ("light", False, {"quit": "q"})
    assert (found.history.batch, found.history.interval_s, found.history.files) == (10, 1.0, 5)
    assert found.peer.listen == ("/ip4/127.0.0.1/udp/0/quic-v1",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("theme = 3", r"theme must be a text in quotes, not 3"),
        ("them = 'dark'", r"there is no setting them; did you mean theme\?"),
        ("zzz = 1", r"there is no setting zzz; known are theme, mouse"),
        ("[history]\nfiles = 'x'", r"history.files must be a whole number, not 'x'"),
        ("[history]\nfiles = true", r"history.files must be a whole number"),
        ("[history]\nbatch = 0", r"history.batch must be at least 1, not 0"),
        ("[history]\ninterval_s = nan", r"history.interval_s must be a number one can wait for"),
        ("[history]\ninterval_s = inf", r"history.interval_s must be a number one can wait for"),
        ("[history]\nwaiting = 0", r"history.waiting must be at least 1, not 0"),
        ("[history]\nwaiting = -1", r"history.waiting must not be less than 0"),
        ("[history]\nnetwork_m = 1", r"no setting history.network_m; did you mean history.network_mb\?"),
        ("history = 3", r"history must be a table, \[history\], not 3"),
        ("[keys]\nquit = 1", r"keys.quit must be a text in quotes"),
        ("[peer]\nlisten = 'x'", r"peer.listen must be a list of texts"),
        ("mouse = 1", r"mouse must be true or false"),
        ("theme = ", r"is not TOML"),
    ],
)
def test_a_fault_is_named_with_file_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=complaint) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=str(tmp_path)):
        load_settings(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"x\.toml"):
        load_settings(tmp_path / "x.toml")


def test_every_path_follows_the_systems_customs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    places = Locations()
    assert places.settings_file == tmp_path / "config" / "ampubsub-tui" / "settings.toml"
    assert places.history == tmp_path / "state" / "ampubsub-tui" / "history"
    assert places.crashes == tmp_path / "state" / "ampubsub-tui" / "crashes"
    places.themes.mkdir(parents=True)
    (places.themes / "mine.toml").write_text("")
    assert "mine" in places.theme_names()
