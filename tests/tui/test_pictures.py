from __future__ import annotations

import pytest

from tests.tui.pictures import FOLDER, PICTURES, take_all


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_the_pictures_of_the_manual_are_what_the_program_shows(picture) -> None:  # type: ignore[no-untyped-def]
    kept = (FOLDER / f"{picture.name}.svg").read_text("utf-8")
    assert take_all([picture])[picture.name] == kept, "run `make screenshots` and look at the new pictures"
