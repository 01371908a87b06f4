"""Pictures in the documents: each is made by the script, is still true, and is shown somewhere."""

from pathlib import Path

import pytest

from docs.screenshots import COMMAND, IMAGES, PICTURES, Picture, stale

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.names[0])
def test_a_picture_shows_what_its_sources_are_now(picture: Picture) -> None:
    """A template, style or text behind it has not changed since it was taken, and nobody has painted it over."""
    assert picture not in stale(), f"Take {', '.join(picture.names)} again: {COMMAND}"


def test_every_picture_is_made_by_the_script() -> None:
    """None was taken by hand, and none is left over."""
    assert {path.name for path in IMAGES.glob("*.png")} == {name for picture in PICTURES for name in picture.names}


def test_every_picture_is_shown_somewhere() -> None:
    """In the README, a document or a notebook."""
    texts = "".join(
        path.read_text("utf-8")
        for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.ipynb"))
    )
    assert [path.name for path in IMAGES.iterdir() if path.suffix != ".json" and path.name not in texts] == []
