"""A data file that is wrong is refused, with the place and the key."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amazonpay_nb import redaction
from amazonpay_nb.spec import data
from amazonpay_nb.spec.data import DataError, as_kind, data_row, named, read
from amazonpay_nb.spec.reasons import Reason

_READ_ALL = "from amazonpay_nb.spec.parity import behaviors; behaviors()"


@data_row
class Dish:
    """A row like those of the files."""

    meaning: str
    servings: int = 1


def test_a_row_becomes_what_its_file_holds() -> None:
    """Defaults fill what was left out."""
    assert as_kind("menu.toml", {"soup": {"meaning": "hot"}}, dict[str, Dish]) == {
        "soup": Dish(meaning="hot", servings=1)
    }


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"meening": "hot"}, "menu.toml, soup: unknown key 'meening'; did you mean 'meaning'?"),
        ({"meaning": "hot", "zzz": 1}, "menu.toml, soup: unknown key 'zzz'"),
        ({"servings": 2}, "menu.toml, soup: the key 'meaning' is missing"),
        ({"meaning": 7}, "menu.toml, soup: meaning: Input should be a valid string"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(row: dict[str, object], complaint: str) -> None:
    """So that somebody who does not write Python can correct it."""
    with pytest.raises(DataError) as error:
        as_kind("menu.toml", {"soup": row}, dict[str, Dish])
    assert str(error.value) == complaint


def test_the_names_of_tables_become_fields() -> None:
    """Also of tables inside tables."""
    table = {"dishes": {"soup": {"servings": 2}}, "menus": {"noon": {"first": {"meaning": "hot"}}}}
    assert named(table, dishes="meaning", menus="time.course") == {
        "dishes": {"soup": {"servings": 2, "meaning": "soup"}},
        "menus": {"noon, first": {"meaning": "hot", "time": "noon", "course": "first"}},
    }


def test_what_is_not_toml_is_named() -> None:
    """With the line, as the parser says."""
    with pytest.raises(DataError, match=r"regions\.py: .*line 1"):
        read("regions.py")


def test_an_operation_that_does_not_exist_is_refused() -> None:
    """In the reasons, which name the calls that may be refused and those that come next."""
    row = read("reasons.toml")["refusals"]["SoftDeclined"] | {"code": "SoftDeclined", "calls": ["createCharges"]}
    with pytest.raises(DataError, match=r"SoftDeclined, calls: 0: .*there is no operation 'createCharges'"):
        as_kind("reasons.toml", {"SoftDeclined": row}, dict[str, Reason])


@pytest.mark.parametrize(
    ("name", "wrong", "statement", "complaint"),
    [
        ("regions.toml", ("psd2 = false", "psd3 = false"), "import amazonpay_nb.spec.regions",
         "regions.toml, regions, na: unknown key 'psd3'; did you mean 'psd2'?"),
        ("regions.toml", ("monthly_limit = 15_000", 'monthly_limit = "plenty"'), "import amazonpay_nb.spec.money",
         "regions.toml, currencies, EUR: monthly_limit: Input should be a valid decimal"),
        ("reasons.toml", ("next_step = ", "nextstep = "), "import amazonpay_nb.spec.reasons",
         "unknown key 'nextstep'; did you mean 'next_step'?"),
        ("reasons.toml", ('retry = "new key"', 'retry = "new"'), "import amazonpay_nb.spec.reasons",
         "retry: Input should be 'no', 'corrected', 'corrected, same key', 'same key', 'new key' or 'later, same key'"),
        ("words.toml", ("stands_for", "stand_for"), "import amazonpay_nb.spec.words",
         "words.toml, initiators, CITU: unknown key 'stand_for'; did you mean 'stands_for'?"),
        ("flows.toml", ("notebook = ", "notebok = "), "import amazonpay_nb.spec.flows",
         "flows.toml, flows, sign-in: unknown key 'notebok'; did you mean 'notebook'?"),
        ("notifications.toml", ("copies = ", "copys = "), "import amazonpay_nb.spec.notifications",
         "notifications.toml, drills, duplicate: unknown key 'copys'; did you mean 'copies'?"),
        ("operations.toml", ("success = ", "succes = "), "import amazonpay_nb.spec.operations",
         "operations.toml, calls, Create Checkout Session: unknown key 'succes'; did you mean 'success'?"),
        ("operations.toml", ("burst = ", "bursts = "), "import amazonpay_nb.spec.operations",
         "operations.toml, calls, Create Checkout Session, quota, live: unknown key 'bursts'; did you mean 'burst'?"),
        ("simulations.toml", ("status = ", "statuses = "), "import amazonpay_nb.spec.simulations",
         "completeCheckoutSession, BuyerCanceled: unknown key 'statuses'; did you mean 'status'?"),
        ("simulations.toml", ('trigger = "success"', 'trigger = "sucess"'), "import amazonpay_nb.spec.simulations",
         "simulations.toml, cards, 1111: trigger: Input should be 'success', 'buyer canceled', 'declined',"),
        ("parity/refund.toml", ("sentence = ", "sentense = "), _READ_ALL,
         "parity/refund.toml, always-async: unknown key 'sentense'; did you mean 'sentence'?"),
        ("parity/refund.toml", ('source = "api/refund"', 'source = "api/refnd"'), _READ_ALL,
         "parity/refund.toml, always-async: its source is not one of parity/index.toml"),
        ("parity/refund.toml", ("test = ", 'why_not = "Lazy."\ntest = '), _READ_ALL,
         "parity/refund.toml, always-async: a row has either a test or a why_not"),
        ("parity/refund.toml", ('evidence = "documented"', 'evidence = "inferred"'), _READ_ALL,
         "parity/refund.toml, always-async: an inferred row, and no other, says what could raise it"),
        ("parity/index.toml", ("read_on = ", "red_on = "), _READ_ALL, "parity/index.toml: unknown key 'red_on'"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith(".toml") else "",
)  # fmt: skip
def test_a_slip_in_a_file_is_named(
    tmp_path: Path, name: str, wrong: tuple[str, str], statement: str, complaint: str
) -> None:
    """The tables are not used at all rather than half."""
    package = tmp_path / "amazonpay_nb"
    shutil.copytree(Path(data.__file__).parent, package / "spec", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(redaction.__file__, package)  # the floor below
    (package / "__init__.py").touch()
    text = (package / "spec" / name).read_text("utf-8")
    assert wrong[0] in text
    (package / "spec" / name).write_text(text.replace(*wrong, 1), "utf-8")
    run = subprocess.run([sys.executable, "-c", statement], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert complaint in run.stderr.splitlines()[-1]
