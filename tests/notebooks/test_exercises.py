"""Every exercise is played: its model solution, known mistakes, and nobody's try; and the map has one home."""

import asyncio
import inspect
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from amazonpay_nb import workbench
from amazonpay_nb.lessons.exercises import CHAPTERS, EXERCISES, Books, check, progress, solved
from amazonpay_nb.spec.regions import REGIONS
from amazonpay_nb.workbench import Workbench
from amazonpay_nb.workbench.kernel import PROGRESS
from amazonpay_nb.workbench.show import Shown

ROOT = Path(__file__).parents[2]
COMPLETE = True  # whether every chapter has exercises that are checked
CODE = {name for name, row in EXERCISES.items() if any("in" in rule for rule in row["right"])}
NEUTRAL = "○ Not tried yet."


@cache
def solutions() -> tuple[dict[str, Any], list[tuple[str, Any, str]], list[tuple[str, Any]]]:
    """Return the right answer to each exercise, wrong ones with words of what they are told, and more right ones."""
    parts = [runpy.run_path(str(path)) for path in sorted(Path(__file__).with_name("solutions").glob("chapter_*.py"))]
    right = {name: answer for part in parts for name, answer in part["RIGHT"].items()}
    more = [row for part in parts for row in part.get("ALSO_RIGHT", ())]
    return right, [row for part in parts for row in part["WRONG"]], more


@cache
def cells(number: str) -> list[dict[str, Any]]:
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return [row | {"source": "".join(row["source"])} for row in rows]


@pytest.fixture(scope="module", params=list(REGIONS))
def wb(request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """A workbench in each region."""
    with workbench.open(region=request.param, buyer="script") as bench:
        bench.set_up_keys()
        yield bench


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a session of JupyterLab nor a file that remembers."""
    monkeypatch.delenv(PROGRESS, raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


def played(wb: Workbench, name: str, answer: Any) -> Shown:
    """Do as a reader who fills in the cell and runs it."""
    if not callable(answer):
        return check(name, answer)
    books = Books(wb.emulator)
    done = answer(wb, books.wallet)
    if inspect.isawaitable(done):
        asyncio.run(done)  # type: ignore[arg-type]
    return check(name, books)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", EXERCISES)
def test_the_model_solution_is_right(wb: Workbench, name: str) -> None:
    """In every region, and the explanation follows at once."""
    shown = played(wb, name, solutions()[0][name])
    assert words(shown.text) == words(f"✓ Right. {EXERCISES[name]['answer']}")
    assert "<details>" not in shown.html


@pytest.mark.parametrize("wb", ["na", "jp"], indirect=True)
def test_another_way_is_right_as_well(wb: Workbench) -> None:
    """A reader who thinks of it is not sent back to the model solution."""
    for name, answer in solutions()[2]:
        text = words(played(wb, name, answer).text)
        assert text.startswith("✓ Right."), f"{name}, {answer!r}: {text}"


@pytest.mark.parametrize("wb", ["na"], indirect=True)
def test_every_mistake_gets_its_message(wb: Workbench) -> None:
    """Each message of the table is said to somebody, and nobody is told the answer."""
    said = set()
    for name, answer, message in solutions()[1]:
        text = words(played(wb, name, answer).text)
        assert text.startswith("✗ Not yet."), f"{name}, {answer!r}: {text}"
        assert words(message) in text, f"{name}, {answer!r}: {text}"
        assert words(EXERCISES[name]["answer"]) not in text
        said.add((name, text.removeprefix("✗ Not yet. ").removesuffix(" check(…, hints=1) has a hint.")))
    every = {(name, words(text)) for name, row in EXERCISES.items() for text in messages(row)}
    assert every - said == set(), "nobody is told this; add a mistake to tests/notebooks/solutions"


def messages(row: dict[str, Any]) -> Iterator[str]:
    """Yield what an exercise can say to a wrong answer."""
    rules = [*row.get("wrong", ()), *row["right"]]
    yield from (rule["say"] for rule in rules if "say" in rule)
    if any("say" not in rule for rule in row["right"]):
        yield row["again"]


@pytest.mark.parametrize("wb", ["na"], indirect=True)
def test_what_an_earlier_run_began_counts_for_that_run(wb: Workbench) -> None:
    """A refund of the first run ends while the second one waits, and its charge is not taken for one of the second."""

    def first_day(wb: Workbench, wallet: str) -> None:
        charge = wb.client.create_charge(charge_permission_id=wallet, charge_amount=wb.price("5"), capture_now=True)
        wb.client.create_refund(charge_id=charge.charge_id, refund_amount=wb.price("5"))

    def with_the_end(wb: Workbench, wallet: str) -> None:
        first_day(wb, wallet)
        wb.wait(30)
        wb.client.close_charge_permission(wallet, closure_reason="That was the first day.")

    assert "still be charged" in words(played(wb, "09-first-day", first_day).text)
    assert played(wb, "09-first-day", with_the_end).text.startswith("✓ Right.")


@pytest.mark.parametrize("wb", ["na"], indirect=True)
@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_that_nobody_tried_is_neither_right_nor_wrong(wb: Workbench, name: str) -> None:
    """The same words each time, with hints and answer folded up, one hint inside of the other."""
    given = Books(wb.emulator) if name in CODE else None
    first, second = check(name, given), check(name, given)
    assert first.text.startswith(NEUTRAL)
    assert (first.text, first.html) == (second.text, second.html)
    assert first.html.count("<details>") == len(EXERCISES[name]["hints"]) + 1
    assert re.findall(r"<summary>(Hint 1|Answer)", first.html) == ["Hint 1", "Answer"]
    assert EXERCISES[name]["hints"]


def test_in_jupyterlab_the_answer_is_hidden_until_somebody_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hints are not; the text form has as many as one asks for, and then the answer."""
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook")
    name, row = "05-second-item", EXERCISES["05-second-item"]
    assert ("Answer" in check(name, None).html, "Answer" in check(name, 18).html) == (False, True)
    assert row["hints"][0] not in check(name, 18).text
    assert row["hints"][0] in words(check(name, None, hints=1).text)
    assert row["hints"][1] not in words(check(name, None, hints=1).text)
    assert words(row["answer"]) not in words(check(name, None, hints=3).text)
    assert words(row["answer"]) in words(check(name, 18, hints=3).text)


def test_on_the_sandbox_nobody_can_read_the_books() -> None:
    """So such an exercise is neither right nor wrong there."""
    books = Books(None)
    assert books.wallet == ""
    assert "It needs the emulator" in check("05-two-parcels", books).text


@pytest.mark.parametrize("wb", ["na"], indirect=True)
def test_what_was_there_before_does_not_count(wb: Workbench) -> None:
    """A reader who runs the cell again begins anew."""
    name, right = "05-two-parcels", solutions()[0]["05-two-parcels"]
    for _ in range(2):
        assert played(wb, name, right).text.startswith("✓")
    assert check(name, Books(wb.emulator)).text.startswith(NEUTRAL)


ODD = {"sNaN": "sNaN", "nan": "nan", "Infinity": "Infinity", "huge": "1e999999999", "long": 10**5000}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_number_is_a_wrong_answer(name: str) -> None:
    """It cannot be compared, and says no more than any other text."""
    assert words(check("05-second-item", ODD[name]).text).startswith("✗ Not yet.")


def test_html_in_a_text_stays_text() -> None:
    """And code is set as code."""
    html = check("00-refund-a-part", Books(None)).html
    assert '<code>wb.price("5")</code>' in html


# --- What is solved ---------------------------------------------------------------------------------------------------


def test_a_solved_exercise_is_remembered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the variable names a file; a wrong answer and nobody's try leave none."""
    assert check("05-second-item", 0).text.startswith("✓")  # nobody remembers, and nothing fails
    assert "amazonpay-nb lab" in progress().text
    file = tmp_path / "solved"
    monkeypatch.setenv(PROGRESS, str(file))
    check("05-second-item", None), check("05-second-item", 18)
    assert not file.exists()
    for _ in range(2):
        check("05-second-item", 0)
    assert file.read_text().split() == ["05-second-item"]
    assert "1 of 3 solved" in words(progress().text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"05-second", b'{"05-second-item": tr', b""])
def test_a_broken_file_remembers_nothing_and_takes_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A half line stays one of its own."""
    file = tmp_path / "solved"
    file.write_bytes(content)
    monkeypatch.setenv(PROGRESS, str(file))
    assert solved() == set()
    check("05-second-item", 0)
    assert solved() == {"05-second-item"}


def test_a_folder_in_the_place_of_the_file_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that is missing."""
    for place in (tmp_path, tmp_path / "missing" / "solved"):
        monkeypatch.setenv(PROGRESS, str(place))
        assert check("05-second-item", 0).text.startswith("✓")
        assert solved() == set()


def test_two_kernels_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both append to the file at once."""
    file = tmp_path / "solved"
    monkeypatch.setenv(PROGRESS, str(file))
    line = "from amazonpay_nb.lessons.exercises import check; input(); check({!r}, {!r})"
    tries = [("05-second-item", 0), ("00-what-to-keep", "chargePermissionId"), ("00-half-a-yen", "refused")]
    kernels = [
        subprocess.Popen([sys.executable, "-c", line.format(*one)], stdin=subprocess.PIPE, text=True) for one in tries
    ]
    for kernel in kernels:
        assert kernel.stdin
        kernel.stdin.write("\n")
        kernel.stdin.close()
    assert [kernel.wait() for kernel in kernels] == [0, 0, 0]
    assert solved() == {name for name, _ in tries}


def test_the_map_has_a_link_and_a_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chapter has a tick once all of its exercises are solved."""
    monkeypatch.setenv(PROGRESS, str(tmp_path / "solved"))
    (tmp_path / "solved").write_text("\n".join(name for name in EXERCISES if name.startswith("05")))
    (line,) = (line for line in progress().html.splitlines() if 'href="05_manage_payments.ipynb"' in line)
    assert re.search(r"(\d+) of \1 solved ✓", line)
    assert progress().html.count("✓") == progress().text.count("✓") == 1


# --- The notebooks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [file[:2] for file in CHAPTERS])
def test_a_chapter_checks_its_exercises(number: str) -> None:
    """Each one by its name, in the order of the table, with nothing filled in; one at least asks for code."""
    checks = [cell for cell in cells(number) if re.search(r"(?<![.\w])check\(", cell["source"])]
    named = [name for cell in checks for name in re.findall(r'(?<![.\w])check\("([^"]+)"', cell["source"])]
    assert named == [name for name in EXERCISES if name.startswith(number)]
    if named or COMPLETE:
        assert len(named) >= 2
        assert CODE & set(named)
    for cell in checks:
        assert NEUTRAL in "".join(cell["outputs"][0]["data"]["text/plain"])


def link(file: str) -> str:
    return f"[{CHAPTERS[file]['title']}]({file}.ipynb)"


def test_the_map_is_what_the_chapters_say() -> None:
    """Title, question and time have one home, and what comes before a chapter stands above it."""
    assert [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] == list(CHAPTERS)
    files = {file[:2]: file for file in CHAPTERS}
    for file, row in CHAPTERS.items():
        first = cells(file[:2])[0]["source"]
        before = " · **Before:** " + ", ".join(link(files[number]) for number in row["before"]) if row["before"] else ""
        assert first.startswith(f"# {row['title']}\n")
        assert f"**Time:** about {row['minutes']} minutes{before}" in first.splitlines(), file
        assert all(number < file[:2] for number in row["before"])


def test_the_maps_of_notebook_00_and_of_the_readme_are_the_table() -> None:
    """Write what is expected here into them."""
    files = {file[:2]: file for file in CHAPTERS}
    (text,) = (cell["source"] for cell in cells("00") if cell["source"].startswith("## The map"))
    assert [line for line in text.splitlines() if line.startswith("| [")] == [
        f"| [{file[:2]} {row['title']}]({file}.ipynb) | {row['question']} | {row['minutes']} | "
        + ", ".join(f"[{number}]({files[number]}.ipynb)" for number in row["before"])
        + " |"
        for file, row in CHAPTERS.items()
        if file[:2] != "00"
    ]
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert [line for line in readme if line.startswith("| [") and "](notebooks/" in line] == [
        f"| [{file[:2]} {row['title']}](notebooks/{file}.ipynb) | {row['question']} | {row['guide']} |"
        for file, row in CHAPTERS.items()
    ]


def test_the_table_of_exercises_is_well_formed() -> None:
    """No key is misspelled, and a book is one that there is."""
    text = (ROOT / "amazonpay_nb/lessons/exercises.toml").read_text("utf-8")
    assert list(tomllib.loads(text)) == sorted(tomllib.loads(text), key=lambda name: name[:2])
    for name, row in EXERCISES.items():
        assert set(row) - {"wrong"} == {"hints", "again", "answer", "right"}, name
        books = {rule.get("in") for rule in [*row["right"], *row.get("wrong", ())]}
        assert books <= ({*Books(None)._all()} if name in CODE else {None}), name
        assert all(rule["say"] for rule in row.get("wrong", ())), name
