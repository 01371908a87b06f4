"""Parameters are checked before anything is sent, by name and by value."""

import pytest

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.workbench.parameters import PARAMETERS, check_injected, check_names, check_values


def test_every_default_is_allowed() -> None:
    """A run without parameters is a valid run."""
    check_values({name: row.default for name, row in PARAMETERS.items()})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"environment": "production"}, "emulator, sandbox, live"),
        ({"region": "us-east"}, "na, eu, jp"),
        ({"buyer": "nobody"}, "auto, you, script"),
        ({"amount": "14.005"}, "too many decimals"),
        ({"amount": "14.50", "region": "jp"}, "JPY allows 0"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "ten"}, "amount"),
        ({"currency": "GBP"}, "USD"),
        ({"currency": "USD", "region": "eu"}, "EUR or GBP"),
        ({"language": "de_DE"}, "en_US"),
        ({"wait_seconds": "0"}, "3600 seconds"),
        ({"wait_seconds": "soon"}, "wait_seconds"),
        ({"seed": "9" * 5000}, "at most 18 digits"),
        ({"seed": 10**5000}, "too many digits"),
        ({"browser": "lynx"}, "none, auto"),
        ({"merchant_name": "half a character: \ud83d"}, "utf-8"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_those_that_are(values: dict[str, object], message: str) -> None:
    """The message says which parameter, and what it may be."""
    with pytest.raises(ConfigurationError, match=message):
        check_values(values)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"amount": "14.50", "region": "jp"}, "Write for example 14.00; yen have no decimals, write 14."),
        ({"language": "de_DE"}, "Choose one of these, or leave it empty for the region's own."),
        ({"wait_seconds": "soon"}, "Write a number of seconds, for example 300."),
        ({"buyer": "nobody"}, "Choose one of auto, you, script."),
    ],
)
def test_the_advice_says_what_to_write(values: dict[str, str], advice: str) -> None:
    """A definition would leave the reader where he was."""
    with pytest.raises(ConfigurationError) as caught:
        check_values(values)
    assert caught.value.advice == advice


def test_every_check_has_its_advice() -> None:
    """A refusal without a way out is half an answer."""
    assert [name for name, row in PARAMETERS.items() if bool(row.allowed) == bool(row.advice)] == []


@pytest.mark.parametrize("values", [{"amount": "14.00", "region": "jp"}, {"region": "eu", "currency": "GBP"}])
def test_what_fits_the_region_is_allowed(values: dict[str, str]) -> None:
    """Zeros behind the point are no decimals, and a region may have several ledger currencies."""
    check_values(values)


def test_a_misspelled_name_is_refused_with_the_likely_one() -> None:
    """papermill would take it and go on."""
    with pytest.raises(ConfigurationError, match=r"regoin(.|\n)*Did you mean region"):
        check_names({"regoin": "eu"}, PARAMETERS)


DECLARED = ["", 'region: str = "na"  # na, eu or jp\namount: str = "14.00"']


def test_an_injected_cell_with_known_names_is_taken() -> None:
    """What the notebook itself declares may be set."""
    check_injected([*DECLARED, '# Parameters\nregion = "eu"\n', "wb = open()"])


def test_an_injected_cell_with_an_unknown_name_is_refused() -> None:
    """papermill itself only warns."""
    with pytest.raises(ConfigurationError, match=r"amuont(.|\n)*Did you mean amount"):
        check_injected([*DECLARED, '# Parameters\nregion = "eu"\namuont = "1.00"\n'])


def test_without_an_injected_cell_there_is_nothing_to_check() -> None:
    """A notebook that is run by hand has none, and a cell that is no Python is somebody else's problem."""
    check_injected([*DECLARED, "%pip list", "x = 1"])
