"""A plan, ``PLAN.toml``: where a merchant's server is, how to start it, what it may be asked for; and its checks."""

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, JsonValue, ValidationError

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.rehearsal.ports import port_for_another
from amazonpay_nb.spec.data import DataError, as_kind, data_row, no_choice, read, text_of
from amazonpay_nb.spec.regions import region as region_of

# What the rehearsal knows and a plan's start command and environment may name, in braces.
FACTS = (
    "url", "scriptUrl", "proxyUrl", "caFile", "region", "merchantId", "storeId", "publicKeyId", "privateKeyFile",
    "serverUrl", "topicArn",
)  # fmt: skip
_ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):(0|[1-9][0-9]*)/?")
_BRACES = re.compile(r"\{(\{\w+\})\}|\{\w+\}")
ORDER = ("order", "amount", "currency")  # what an action may name
_LONGEST = 30_000  # characters: a key of many parts is read again from each
_TABLE_OR_KEY = re.compile(r"\s*(?:\[+([^\[\]]+)\]|([\w.\"-]+)\s*=)")


def _address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if not found or int(found[1]) >= 2**16:
        raise ValueError(f"{text!r} is no server of this machine; write for example http://127.0.0.1:8801, with a port")
    return text.rstrip("/")


def _place(text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise ValueError(f"{text!r} is no path of the server; it begins with a slash")
    return text


def _braces(names: Sequence[str], around: str = "") -> AfterValidator:
    # A check of the names in braces; of a body, which may be a query with braces of its own, a text that is one alone.
    def check(value: Any) -> Any:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        # Where there are two pairs of braces, one is meant.
        if unknown := {*re.findall(rf"\{{\{{\w+\}}\}}|{around}\{{(\w+)\}}{around}", text)} - {"", *names}:
            word, known = f"{{{min(unknown)}}}", ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"{word} is not known; there are {known}, and {{{word}}} stands for {word}")
        return value

    return AfterValidator(check)


Place = Annotated[str, AfterValidator(_place)]
Filled = Annotated[str, _braces(FACTS)]
_BODY = _braces(ORDER, around='"')


@data_row
class Server:
    """The server: see ``docs/own-server.md`` for each key."""

    url: Annotated[str, AfterValidator(_address)]
    start: tuple[Filled, ...] = ()
    directory: str = "."
    ready: Place = "/"
    wiring: Literal["proxy", "settings"] = "proxy"
    region: Literal["na", "eu", "jp"] = "na"
    currency: str = ""
    environment: dict[str, Filled] = field(default_factory=dict)


@data_row
class Pages:
    """Paths of the pages with a button; the button itself, and what places an order under review (CSS selectors)."""

    set_up: Place = ""
    end_of_checkout: Place = ""
    express: Place = ""
    sign_in: Place = ""
    update: Place = ""
    button: str = ".amazon-pay-button"
    order: str = "form button, form input[type=submit]"


BUTTON_PAGES = ("set_up", "end_of_checkout", "express", "sign_in", "update")
BUYING_PAGES = BUTTON_PAGES[1:3]  # where a buyer who saves a wallet buys something as well


def check_of_button(page: str = "") -> str:
    """Return the check that is about the button of a page."""
    return "update.completes" if page == "update" else "button.signature"


@data_row
class Action:
    """A request to the server, with a buyer's cookies; texts may name ``{order}``, ``{amount}`` and ``{currency}``."""

    path: Annotated[Place, _braces(ORDER)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    json: Annotated[dict[str, JsonValue], _BODY] | None = None
    form: Annotated[dict[str, str], _BODY] | None = None

    def __post_init__(self) -> None:
        if self.json is not None and self.form is not None:
            raise ValueError("a request has json or form, not both")


@data_row
class Actions:
    """What the server is asked to do where no buyer is present."""

    charge: Action | None = None
    refund: Action | None = None
    state: Action | None = None


@data_row
class Notifications:
    """Where the server takes instant notifications."""

    path: Place


@data_row
class Plan:
    """What a plan says; what it leaves out is not tried."""

    server: Server
    pages: Pages = field(default_factory=Pages)
    actions: Actions = field(default_factory=Actions)
    notifications: Notifications | None = None

    @property
    def buttons(self) -> list[str]:
        """The pages that a visitor without a wallet can use."""
        return [name for name in BUTTON_PAGES[:-1] if getattr(self.pages, name)]

    @property
    def news(self) -> str | None:
        """The address that takes notifications, if any."""
        return self.server.url + self.notifications.path if self.notifications else None


@data_row
class Row:
    """A check of ``checks.toml``, which describes the fields."""

    id: str
    title: str
    severity: Literal["money", "security", "buyer", "advice"]
    expected: str
    why: str
    advice: str
    guide: str
    chapter: str
    needs: tuple[str, ...] = ()
    starts: str = ""
    amazon: dict[str, dict[str, Any]] = field(default_factory=dict)
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What comes before the dot of its id, as a name of Python: for a set-up's check, the plan's page."""
        return self.id.partition(".")[0].replace("-", "_")

    def lack(self, plan: Plan) -> str:
        """Return what a plan does not have for this check, as a sentence, or ""."""
        words = {"buttons": "page with a button", "notifications": "[notifications]"}
        missing = [words.get(need, need.replace("s.", " ")) for need in self.needs if not attrgetter(need)(plan)]
        return f"The plan has no {', no '.join(missing)}." if missing else ""


_CHECKS = read("checks.toml", beside=__file__)["checks"]
ROWS = {row.id: row for row in as_kind("checks.toml", _CHECKS, tuple[Row, ...])}


def rows_of(plan: Plan, only: Sequence[str] = ()) -> list[Row]:
    """Return the checks that a plan leads to, in the order of the table, those of all buttons and set-ups first.

    Args:
        only: Ids of some, which it must have.
    """
    rows, set_up = [*ROWS.values()], [row for row in ROWS.values() if row.group == BUTTON_PAGES[0]]
    for page in filter(partial(getattr, plan.pages), BUTTON_PAGES[1:]):
        needs, name = ("buttons", f"pages.{page}"), page.replace("_", "-")
        rows += [replace(row, id=row.id.replace("set-up", name), needs=needs) for row in set_up]
    rows.sort(key=lambda row: (row.group != "button", row.group not in BUTTON_PAGES))  # what the others need
    names = [row.id for row in rows]
    for name in only:
        if name not in names:
            raise ConfigurationError(f"The plan has no such check: {no_choice(name, names)}")
    return [row for row in rows if not only or row.id in only]


def example(name: str) -> Path:
    """Return the plan of one of the examples, which are in the package from a wheel, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    places = (folder / "examples" / name / "rehearsal.toml" for folder in (package, package.parent))
    return next(path for path in places if path.exists())


class OrderState(BaseModel, strict=True):
    """What the action ``state`` says of an order."""

    state: Literal["pending", "paid", "declined", "refunded"]
    fulfilled: int = 0


class State(BaseModel, strict=True):
    """What the action ``state`` answers; what else it holds does not matter."""

    wallet: Literal["none", "saved", "repair"]
    orders: dict[str, OrderState] = {}

    @classmethod
    def problem(cls, answer: Any) -> str:
        """Return what is wrong with an answer, as a clause, or ""."""
        try:
            cls.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            return f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"
        return ""


class PlanFile:
    """A plan with its file, or a *text* in its place, whose lines its errors name; it may raise one at once."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        try:
            self._text = text or text_of(path, _LONGEST)
            if len(self._text) > _LONGEST:
                raise ValueError(f"it has more than {_LONGEST:,} characters")
            self.plan = as_kind(path.name, tomllib.loads(self._text), Plan)
        except DataError as error:
            problem = str(error).partition(": ")[2]
            raise self.error(problem if problem.endswith("?") else f"{problem}.", *error.place) from None
        except (RecursionError, ValueError) as error:  # also of a number with thousands of digits
            raise ConfigurationError(f"{path}: {error}.", advice="A plan is a TOML file in UTF-8.") from None
        self.folder = (path.parent / self.plan.server.directory).absolute()
        if not os.path.isdir(self.folder):  # noqa: PTH112 (whatever its name holds)
            raise self.error(f"there is no folder {self.folder}.", "server", "directory")
        self._check_currency()

    def error(self, problem: str, *keys: str, advice: str = "") -> ConfigurationError:
        """Return an error that names the line of a key, or of the table that it belongs to."""
        return ConfigurationError(f"{self.path}, line {_line(self._text, keys)}: {problem}", advice=advice)

    def change(self, region: str = "", environment: Mapping[str, str] | None = None) -> None:
        """Take another region, further variables, and a free port in the place of port 0."""
        server, url = self.plan.server, self.plan.server.url
        if urlsplit(url).port == 0 and server.start:
            url = f"{url.removesuffix(':0')}:{port_for_another()}"
        changes: dict[str, Any] = {"url": url, "region": region or server.region}
        changes["environment"] = server.environment | dict(environment or {})
        self.plan = replace(self.plan, server=replace(server, **changes))
        self._check_currency()

    def _check_currency(self) -> None:
        server = self.plan.server
        if server.currency not in ("", *(currencies := region_of(server.region).ledger_currencies)):
            problem = f"no account is kept in {server.currency!r} in the region {server.region}."
            raise self.error(problem, "server", "currency", advice=f"Write {' or '.join(currencies)}, or leave it out.")


def _line(text: str, keys: tuple[str, ...]) -> int:
    """Return the number of the line that has the most of *keys*, from the outside in."""
    best, table = (0, 1), ""
    for number, line in enumerate(text.split("\n"), 1):
        if found := _TABLE_OR_KEY.match(line):
            table = found[1] or table
            place = f"{table}.{found[2] or ''}".strip(".").replace('"', "").split(".")
            if tuple(place) == keys[: len(place)]:
                best = max(best, (len(place), number))
    return best[1]


def filled(value: Any, values: dict[str, str]) -> Any:
    """Return a text, or a list or dictionary of texts and others, with values in the place of their names in braces.

    What has two pairs of braces keeps one.
    """
    texts = {f"{{{name}}}": json.dumps(text)[1:-1] for name, text in values.items()}
    return json.loads(_BRACES.sub(lambda found: found[1] or texts.get(found[0], found[0]), json.dumps(value)))
