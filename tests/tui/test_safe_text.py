"""Text of others reaches the screen harmless, bounded and still readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from amdbg_tui.safe_text import UNSHOWABLE, fit, safe_block, safe_text, short_id, width

any_text = st.text(st.characters(codec=None), max_size=400)
nasty_text = st.text(
    st.sampled_from(
        "ab \x1b[31m\x07\r\n\t\x9b\u202e\u2066\u200b\u200d\ufeff\u0301\u0489\ud800\U0001f469漢\ufe0f\u3164"
    ),
    max_size=400,
)


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("Traffic.Light-1", "Traffic.Light-1"),
        ("\x1b[2J\x1b]0;owned\x07", "␛[2J␛]0;owned␇"),
        ("\x9b31m", UNSHOWABLE + "31m"),
        ("a\nb\tc\rd", "a␊b␉c␍d"),
        ("user\u202egpj.exe", f"user{UNSHOWABLE}gpj.exe"),
        ("pay\u200bpal", f"pay{UNSHOWABLE}pal"),
        ("half\ud800", f"half{UNSHOWABLE}"),
        ("\ue000\uffff", UNSHOWABLE * 2),
        ("a\u2003b\u00a0c", "a b c"),
        ("\u3164\u2800", UNSHOWABLE * 2),
        ("[/red] [bold]x", "[/red] [bold]x"),
        ("größe 状態 é", "größe 状態 é"),
        ("e\u0301te\u0301", "e\u0301te\u0301"),
        ("❤\ufe0f", "❤"),
        ("\u0301x", UNSHOWABLE + "x"),
        ("x\x7f", "x␡"),
        ("", ""),
    ],
)
def test_what_could_move_the_cursor_reorder_or_hide_text_becomes_visible(foreign: str, shown: str) -> None:
    assert safe_text(foreign) == shown


@given(any_text | nasty_text, st.integers(1, 80))
def test_whatever_comes_in_a_line_of_bounded_width_without_a_control_goes_out(
    foreign: str, cells: int
) -> None:
    shown = safe_text(foreign, cells)
    assert width(shown) == cell_len(shown) <= cells
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode()
    assert safe_text(shown, cells) == shown


@given(any_text | nasty_text, st.integers(0, 60))
def test_fitting_and_padding_give_the_width_that_was_asked_for(foreign: str, cells: int) -> None:
    shown = safe_text(foreign)
    assert width(fit(shown, cells)) <= cells
    assert width(fit(shown, cells, pad=True)) == cells


@given(any_text | nasty_text)
def test_a_block_keeps_its_lines_and_nothing_else_that_moves_the_cursor(foreign: str) -> None:
    block = safe_block(foreign, 40, 10)
    assert len(block.split("\n")) <= 10
    assert all(width(line) <= 40 and line.isprintable() for line in block.split("\n"))


def test_a_name_of_ten_thousand_characters_ends_in_an_ellipsis() -> None:
    shown = safe_text("N" * 10_000, 20)
    assert shown == "N" * 19 + "…"


def test_a_name_that_fits_to_the_last_cell_is_not_cut() -> None:
    assert safe_text("漢字漢字", 8) == "漢字漢字"
    assert safe_text("漢字漢字", 7) == "漢字漢…"
    assert safe_text("漢字漢字", 6) == "漢字…"
    assert fit("abc", 3) == "abc"
    assert fit("abcd", 3) == "ab…"
    assert fit("漢字", 3, pad=True) == "漢…"
    assert fit("漢字", 2, pad=True) == "… "


def test_a_flood_of_accents_is_cut_off() -> None:
    shown = safe_text("a" + "\u0301" * 500_000 + "b", 100)
    assert shown.startswith("a\u0301\u0301" + UNSHOWABLE)
    assert width(shown) <= 100
    assert len(shown) < 400


def test_a_traceback_longer_than_the_bound_says_how_much_is_left_out() -> None:
    block = safe_block("\n".join(f"line\t{n}" for n in range(100)) + "\n", 40, 9).split("\n")
    assert block[0] == "line    0"
    assert block[-1] == "line    99"
    assert block[3] == "… 92 lines"
    assert len(block) == 9


def test_an_object_whose_str_fails_is_named_instead() -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError

    assert safe_text(Broken()) == "<Broken that cannot be shown: ValueError>"
    assert safe_text(42) == "42"


def test_peer_ids_are_told_apart_by_their_ends() -> None:
    assert short_id("12D3KooWAbCdEfGhIjKlMnOpQrStUvWxYz") == "…StUvWxYz"
    assert short_id("peer-1") == "peer-1"
