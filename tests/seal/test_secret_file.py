"""A secret's file: made for its owner only, read strictly, and never shown in an error."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ampubsub.seal import Secret, SecretError, read_secret, write_secret

GOOD = "/ampubsub/topic/1.0.0/\n/base16/\n" + "ab" * 32 + "\n"


def test_a_secret_comes_back_from_its_file_which_is_its_owners_only(tmp_path: Path) -> None:
    secret = Secret((b"a" * 32, b"b" * 32))
    write_secret(tmp_path / "home.key", secret)
    assert read_secret(tmp_path / "home.key") == secret
    assert stat.S_IMODE((tmp_path / "home.key").stat().st_mode) == 0o600


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    write_secret(tmp_path / "k", Secret.new())
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(SecretError, match="exists"):
        write_secret(tmp_path / "k", Secret.new())
    assert (tmp_path / "k").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "k"
    file.write_text(GOOD)
    file.chmod(mode)
    with pytest.raises(SecretError, match="chmod 600"):
        read_secret(file)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "does not start with"),
        ("ab" * 32, "does not start with"),
        (GOOD.replace("1.0.0", "2.0.0"), "does not start with"),
        (GOOD.replace("base16", "base64"), "does not start with"),
        ("/ampubsub/topic/1.0.0/\n/base16/\n", "1 to 8 keys"),
        (GOOD + "ab" * 32, "twice"),
        (GOOD + "ab" * 31, "key 2 is not 64 hex digits"),
        (GOOD + "zz" * 32, "key 2 is not 64 hex digits"),
        (GOOD + "ab " * 32, "key 2 is not 64 hex digits"),
        (GOOD + "#" * 5_000, "does not start with"),
        ("\xff" + GOOD, "does not start with"),
    ],
)
def test_what_is_no_secret_is_refused_in_one_line_without_its_text(
    tmp_path: Path, text: str, word: str
) -> None:
    file = tmp_path / "k"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(SecretError, match=word) as caught:
        read_secret(file)
    assert "\n" not in str(caught.value)
    assert "abab" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_comments_and_blank_lines_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "k"
    file.write_text("# of the house\n" + GOOD.replace("\n", "\n\n"))
    file.chmod(0o600)
    assert read_secret(file) == Secret((b"\xab" * 32,))


def test_a_missing_file_says_how_to_make_one_and_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="secret new"):
        read_secret(tmp_path / "none")
    with pytest.raises(SecretError, match=r"cannot read|is no file"):
        read_secret(tmp_path)
    with pytest.raises(SecretError, match="cannot write"):
        write_secret(tmp_path / "no" / "k", Secret.new())
