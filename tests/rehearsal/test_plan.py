"""Plans: what is wrong with one is said with its line, before anything starts."""

from pathlib import Path

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal.plan import PlanFile, rows_of
from amazonpay_nb.rehearsal.server import filled

GOOD = """
[server]
url = "http://127.0.0.1:8801"
start = ["python", "shop.py"]
wiring = "settings"

[server.environment]
KEY = "{privateKeyFile}"

[pages]
set_up = "/wallet"

[actions]
charge = { path = "/charge", json = { order = "{order}" } }
"""


def read(folder: Path, text: str) -> PlanFile:
    (folder / "plan.toml").write_text(text)
    return PlanFile(folder / "plan.toml")


@pytest.mark.parametrize(
    ("before", "after", "line", "says"),
    [
        ('wiring = "settings"', 'wirng = "settings"', 5, "unknown key 'wirng'; did you mean 'wiring'?"),
        ('wiring = "settings"', 'wiring = "magic"', 5, "'magic' is not one of proxy, settings"),
        ('url = "http://127.0.0.1:8801"', "", 2, "the key 'url' is missing"),
        ("127.0.0.1:8801", "shop.example:8801", 3, "no server of this machine"),
        ("127.0.0.1:8801", "127.0.0.1", 3, "no server of this machine"),
        ("127.0.0.1:8801", "127.0.0.1:one", 3, "no server of this machine"),
        ("127.0.0.1:8801", "127.0.0.1:00", 3, "no server of this machine"),
        ("127.0.0.1:8801", "127.0.0.1:٨٨٠١", 3, "no server of this machine"),
        ('"/wallet"', r'"/\u0000"', 11, "no path of the server"),
        ("{privateKeyFile}", "{privateKey}", 8, "{privateKey} is not known; there are {url}"),
        ("{privateKeyFile}", "[0-9]{32}", 8, "{topicArn}, and {{32}} stands for {32}"),
        ('"/wallet"', '"tuple"', 11, "'tuple' is no path of the server; it begins with a slash"),
        ('path = "/charge"', 'paht = "/charge"', 14, "unknown key 'paht'; did you mean 'path'?"),
        ('["python", "shop.py"]', '"python shop.py"', 4, "start: Input should be a valid list."),
        ("[server]\n", "[[server]]\n", 2, "server: Input should be a dictionary."),
        ("json = {", "form = {}, json = {", 14, "a request has json or form, not both"),
        ('"{order}"', '"{ordr}"', 14, "{ordr} is not known; there are {order}, {amount}, {currency}"),
        ('"/charge"', '"/charge/{id}"', 14, "{id} is not known; there are {order}, {amount}, {currency}"),
        ('"{order}"', "2026-01-01", 14, "not a valid JSON value"),
        ('"{order}"', "nan", 14, "not JSON compliant: nan"),
        ('order = "{order}"', f"amount = 0x{'f' * 6000}", 14, "Exceeds the limit"),
        ('wiring = "settings"', 'region = "eu"\ncurrency = "USD"', 6, "no account is kept in 'USD' in the region eu."),
        ('wiring = "settings"', 'wiring = "settings"\ndirectory = "nowhere"', 6, "there is no folder"),
        ('wiring = "settings"', 'wiring = "settings"\ndirectory = "\\u0000"', 6, "there is no folder"),
        ('wiring = "settings"', f'wiring = "settings"\ndirectory = "{"x" * 300}"', 6, "there is no folder"),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, before: str, after: str, line: int, says: str) -> None:
    """An author finds the line, and what is allowed there."""
    assert before in GOOD
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, GOOD.replace(before, after))
    assert f"plan.toml, line {line}: " in str(error.value)
    assert says in str(error.value)


def test_a_word_in_braces_can_be_written(tmp_path: Path) -> None:
    """Such as a number of letters, in a pattern; what is filled in is as it is."""
    key = "{publicKeyId}: [0-9a-f]{{32}}, {{url}}, {{ and }}"
    plan = read(tmp_path, GOOD.replace("{privateKeyFile}", key)).plan
    text = filled(plan.server.environment["KEY"], {"publicKeyId": "{url} {{x}}", "url": "http"})
    assert text == "{url} {{x}}: [0-9a-f]{32}, {url}, {{ and }}"


def test_what_is_no_toml_has_its_line(tmp_path: Path) -> None:
    """The reader of TOML says where it stopped."""
    with pytest.raises(ConfigurationError, match="line 2, column"):
        read(tmp_path, "[server]\nurl = http")
    with pytest.raises(ConfigurationError, match="a TOML file in UTF-8"):
        read(tmp_path, f"url = {'[' * 100_000}")
    with pytest.raises(ConfigurationError, match="a TOML file in UTF-8"):
        read(tmp_path, f"url = {'1' * 6000}")


def test_what_is_long_is_no_plan(tmp_path: Path) -> None:
    """A key of 50,000 parts took minutes to read."""
    with pytest.raises(ConfigurationError, match="it has more than 30,000 characters"):
        read(tmp_path, GOOD + "a." * 50_000 + "a = 1\n")


def test_a_check_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A misspelled id would play nothing, and pass."""
    plan = read(tmp_path, GOOD).plan
    with pytest.raises(ConfigurationError, match=r"did you mean 'charge\.paid'\?"):
        rows_of(plan, ["charge.payed"])
    assert [row.id for row in rows_of(plan, ["charge.paid"])] == ["charge.paid"]


def test_optional_pages_have_the_checks_of_a_set_up(tmp_path: Path) -> None:
    """Each flow ends in a saved wallet."""
    plan = read(tmp_path, GOOD.replace('set_up = "/wallet"', 'set_up = "/wallet"\nend_of_checkout = "/buy"')).plan
    ids = [row.id for row in rows_of(plan)]
    rests = [name.partition(".")[2] for name in ids if name.startswith("set-up.")]
    assert [name.partition(".")[2] for name in ids if name.startswith("end-of-checkout.")] == rests
    assert not any(name.startswith("express.") for name in ids)
