"""Arguments typed by hand become values of the right type."""

from __future__ import annotations

import pytest

from amdbg_tui.node.commands import parse_arguments


def test_values_have_the_types_they_look_like() -> None:
    text = "n=3 x=-1.5 big=1_000 on=true off=False none=null name=anna "
    text += """quote="two \\"words\\"" single='a b' empty= p=/a=b"""
    assert dict(parse_arguments(text)) == {
        "n": 3, "x": -1.5, "big": 1000, "on": True, "off": False, "none": None, "name": "anna",
        "quote": 'two "words"', "single": "a b", "empty": "", "p": "/a=b",
    }  # fmt: skip
    assert type(dict(parse_arguments("e=1e3"))["e"]) is float
    assert dict(parse_arguments("ip=1.2.3.4 nan=nan")) == {"ip": "1.2.3.4", "nan": "nan"}
    assert parse_arguments("  ") == ()


@pytest.mark.parametrize(
    ("text", "complaint"), [("n=1 oops", "“oops”"), ("=3", "“=3”"), ("a=1 a=2", "a is given twice")]
)
def test_what_is_no_argument_is_said_in_words(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_arguments(text)
