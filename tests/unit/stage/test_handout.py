"""A story as a page to leave behind: what of the played story is on it, and what is not."""

import tomllib
from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.stage.export import export
from amazonpay_nb.stage.handout import TEXTS, handout
from amazonpay_nb.texts import languages


@pytest.fixture(scope="module")
def food() -> str:
    page, stopped = handout("food", {"merchant_name": "Noodle House"}, "short")
    assert stopped is None
    return page


def test_it_tells_each_beat_with_what_it_means(food: str) -> None:
    """Six of them, and both ways of what could have happened."""
    assert food.count("<li><h3>") == 6
    assert "Held is not taken: the price is reserved until the food is delivered." in food
    assert "One call, and the money was never taken." in food
    assert "Take, then refund" in food


def test_a_picture_of_a_page_has_what_a_script_would_draw_and_no_script(food: str) -> None:
    """The button; the frames hold text, escaped, without scripts, tokens and ways out."""
    frames = [part.partition('"')[0] for part in food.split('srcdoc="')[1:]]
    assert len(frames) == 4
    assert "Amazon Pay&lt;/span&gt;" in frames[0]
    assert [
        word for word in ("&lt;script", "&lt;link", "hidden&#34;", "href=", "action=") if word in "".join(frames)
    ] == []
    assert all("Noodle House" in frame for frame in frames)


def test_a_story_has_a_file_for_each_edition(tmp_path: Path) -> None:
    """So that one does not replace the other."""
    paths = [export("sign-in", {"region": "jp"}, tmp_path, edition=edition)[0].name for edition in ("full", "short")]
    assert paths == ["sign-in.html", "sign-in-short.html"]
    assert "¥" in (tmp_path / "sign-in-short.html").read_text("utf-8")


def test_what_is_no_choice_is_refused(tmp_path: Path) -> None:
    """Before anything is played or written."""
    with pytest.raises(ConfigurationError, match="wait_seconds"):
        export("ride", {"wait_seconds": "3"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("language", languages(TEXTS))
def test_the_languages_say_the_same(language: str) -> None:
    """The same keys and placeholders in each file; and there is one for each language of the stage."""
    assert languages(TEXTS) == languages(TEXTS.parent)
    english, other = (tomllib.loads((TEXTS / f"{name}.toml").read_text("utf-8")) for name in ("en_US", language))
    assert {table: list(rows) for table, rows in other.items()} == {
        table: list(rows) for table, rows in english.items()
    }
    for key, text in english["handout"].items():
        names = {part.partition("}")[0] for part in text.split("{")[1:]}
        assert {part.partition("}")[0] for part in other["handout"][key].split("{")[1:]} == names, key
