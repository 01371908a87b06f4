"""A data file that is wrong is refused, with the place and the key."""

from dataclasses import dataclass

import pytest
from pydantic import with_config

from amazonpay_nb.spec.data import STRICT, DataError, as_kind, read
from amazonpay_nb.spec.reasons import Reason


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Dish:
    """A row like those of the files."""

    meaning: str
    servings: int = 1


def test_a_row_becomes_what_its_file_holds() -> None:
    """Defaults fill what was left out."""
    assert as_kind("menu.toml", {"soup": {"meaning": "hot"}}, dict[str, Dish]) == {"soup": Dish("hot", 1)}


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


def test_what_is_not_toml_is_named(tmp_path: object) -> None:
    """With the line, as the parser says."""
    with pytest.raises(DataError, match=r"regions\.py: .*line 1"):
        read("regions.py")


def test_an_operation_that_does_not_exist_is_refused() -> None:
    """In the reasons, which name the calls that may be refused and those that come next."""
    row = read("reasons.toml")["refusals"]["SoftDeclined"] | {"code": "SoftDeclined", "calls": ["createCharges"]}
    row.pop("after")
    with pytest.raises(DataError, match=r"SoftDeclined, calls: 0: .*there is no operation 'createCharges'"):
        as_kind("reasons.toml", {"SoftDeclined": row}, dict[str, Reason])
