"""The stories of the stage, as ``stories.toml`` tells them; their words are in ``texts/``."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.spec.data import as_kind, data_row, read
from amazonpay_nb.spec.words import payments_of
from amazonpay_nb.texts import Texts

TEXTS = Path(__file__).with_name("texts")
_CHARGES = ("set-up", "order", "pay")  # steps that may charge


@data_row
class Step:
    """What the shop's server does next; its function in `steps` says which fields it reads."""

    do: str
    name: str = ""  # under which the object is kept for later steps
    of: str = ""  # the name of the object that this step is about
    times: str = "1"  # of the story's price
    limit: bool = False  # the price is the month's limit of a wallet instead
    payment: str = ""
    initiator: str = "CITU"  # who starts a payment that the use case does not name; it is in the web shop
    code: str = ""
    again: str = ""  # the payment whose key and answer this one repeats
    flow: str = ""
    consent: bool = True
    touchless: bool = False
    capture: bool = False
    mfa: str = "pass"
    card: str = "1111"
    wait: str = ""
    says: str = ""  # key of words that are shown instead of a call


@data_row
class WhatIf:
    """Ways to go on, of which each is played from the same moment and undone."""

    name: str
    worse: str = ""  # the branch that nobody wants, where its last answer does not show that
    branches: Mapping[str, tuple[Step, ...]]


@data_row
class Beat:
    """What one press of *Next* plays."""

    name: str
    region: str = ""  # where the story goes on
    table: bool = False  # the stage shows how the regions differ
    steps: tuple[Step, ...]
    what_ifs: tuple[WhatIf, ...] = ()


@data_row
class Story:
    """A merchant, and what happens to it from beat to beat; ``stories.toml`` describes the fields."""

    name: str
    use_case: str = ""
    flow: str = ""
    merchant: str
    color: str
    picture: str
    price: Mapping[str, str]
    beats: tuple[Beat, ...]

    @property
    def times(self) -> Decimal:
        """How many times its price the story charges, at the most, what-ifs included."""
        rows = [(*beat.steps, *chain(*(chain(*row.branches.values()) for row in beat.what_ifs))) for beat in self.beats]
        return sum((Decimal(step.times) for step in chain(*rows) if step.do in _CHARGES), Decimal(1))

    @property
    def sets_up_by(self) -> str:
        """The flow that saves the wallet."""
        return self.flow or next(iter(payments_of(self.use_case).values())).set_up

    def words(self, texts: Texts, key: str, region: str) -> str:
        """Return words of the story: those for a region, where there are such."""
        name, here = f"{self.name}.{key}", f"{self.name}.{key}-{region}"
        return texts(here if here in texts else name)


@cache
def stories() -> Mapping[str, Story]:
    """Return every story by its name."""
    table = {name: row | {"name": name} for name, row in read("stories.toml", beside=__file__).items()}
    return as_kind("stories.toml", table, dict[str, Story])


def story(name: str) -> Story:
    """Return the story of a name; a `ConfigurationError` lists those that there are."""
    if name not in stories():
        raise ConfigurationError(f"There is no story {name!r}.", advice=f"Choose one of {', '.join(stories())}.")
    return stories()[name]
