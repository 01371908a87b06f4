"""A story as a page to leave behind: what of the played story is on it, and what is not."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.stage.export import export
from amazonpay_nb.stage.handout import TEXTS, handout
from amazonpay_nb.stage.story import story
from amazonpay_nb.texts import languages


@pytest.fixture(scope="module")
def food() -> str:
    page, stopped = handout(story("food"), {"merchant_name": "Noodle House"}, "short")
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
    assert "&gt;Amazon Pay&lt;/span&gt;" in frames[0]
    assert "Amazon Pay is saved" in frames[-1]
    assert [
        word for word in ("&lt;script", "&lt;link", "hidden&#34;", "href=", "action=") if word in "".join(frames)
    ] == []
    assert all("Noodle House" in frame for frame in frames)


def test_a_way_that_nobody_wants_is_a_bad_one_as_on_the_stage(food: str) -> None:
    """Though its last answer is a good one."""
    signs = dict(re.findall(r"<p><b>([^<]*)</b> <span [^>]*>(.)</span>", food))
    assert (signs["Take, then refund"], signs["Let it go"]) == ("✗", "•")


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [({}, ["7,200", "1,800"]), ({"region": "eu", "language": "de_DE"}, ["7.200", "1.800"])],
)
def test_numbers_are_written_as_the_language_does(chosen: dict[str, str], numbers: list[str]) -> None:
    """Thousands and decimals."""
    page, _ = handout(story("ride"), chosen, "short")
    (said,) = re.findall(r"<strong>([^<]*Get Charge Permission[^<]*)</strong>", page)
    assert re.findall(r"\d[\d.,]*\d", said) == numbers
    assert ('<td class="number">0,67</td>' if chosen else '<td class="number">0.67</td>') in page


def test_a_story_that_stopped_says_so_first_and_means_nothing() -> None:
    """Here the buyer fails the challenge in the first beat, where the story has another end."""
    told = story("set-up")
    (beat,) = [each for each in told.beats if each.name == "save"]
    (challenge,) = [each for each in beat.what_ifs if each.name == "challenge"]
    cut = replace(told, beats=(replace(beat, steps=challenge.branches["fail"]), *told.beats[1:]))
    page, stopped = handout(cut, {"region": "eu", "language": "en_GB"}, "short")
    assert stopped == "Amazon Pay has refused"
    head, _, rest = page.partition("<h2>")
    assert "The story stopped early, at “A wallet without a purchase”: Amazon Pay has refused." in head
    assert "No amount, no charge: the wallet is saved for later." not in rest


def test_a_sheet_says_where_each_rule_can_be_read(food: str) -> None:
    """The whole address, as text: paper has no links."""
    assert "https://developer.amazon.com/docs/" in food.rpartition("<h2>")[2]
    assert "<a " not in food


def test_a_button_reads_as_amazons_script_writes_it() -> None:
    """By the type of product."""
    page, _ = handout(story("sign-in"), {}, "short")
    assert "&gt;Sign in with Amazon&lt;/span&gt;" in page


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
    words = tomllib.loads((TEXTS.parent / f"{language}.toml").read_text("utf-8"))["evidence"]
    meanings = other["handout"]["meanings"]
    assert [word for name, word in words.items() if name != "emulator-only" and word not in meanings] == []
