"""A plan, ``PLAN.toml``: where a merchant's server is, how to start it, and what a rehearsal may ask it for."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import port_for_another
from amazonpay_nb.spec.data import DataError, as_kind, data_row

# What the rehearsal knows and a plan's start command and environment may name, in braces.
FACTS = (
    "url", "scriptUrl", "proxyUrl", "caFile", "region", "merchantId", "storeId", "publicKeyId", "privateKeyFile",
    "serverUrl", "topicArn",
)  # fmt: skip
_ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):([0-9]+)/?")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_TABLE, _KEY = re.compile(r"\s*\[([^\]]+)\]"), re.compile(r"\s*([\w.\"-]+)\s*=")


def _address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if not found or int(found[1]) >= 2**16:
        raise ValueError(f"{text!r} is no server of this machine; write for example http://127.0.0.1:8801, with a port")
    return text.rstrip("/")


def _place(text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise ValueError(f"{text!r} is no path of the server; it begins with a slash")
    return text


def _facts(text: str) -> str:
    if unknown := {*_PLACEHOLDER.findall(text)} - {*FACTS}:
        raise ValueError(f"{{{min(unknown)}}} is not known; there are {', '.join(f'{{{fact}}}' for fact in FACTS)}")
    return text


Place = Annotated[str, AfterValidator(_place)]
Filled = Annotated[str, AfterValidator(_facts)]


@data_row
class Server:
    """The server: see ``docs/own-server.md`` for each key."""

    url: Annotated[str, AfterValidator(_address)]
    start: tuple[Filled, ...] = ()
    directory: str = "."
    ready: Place = "/"
    wiring: Literal["proxy", "settings"] = "proxy"
    region: Literal["na", "eu", "jp"] = "na"
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


@data_row
class Action:
    """A request to the server, with a buyer's cookies; texts may name ``{order}``, ``{amount}`` and ``{currency}``."""

    path: Place
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    json: dict[str, Any] | None = None
    form: dict[str, str] | None = None


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


class PlanFile:
    """A plan with its file, or a *text* in its place, whose lines its errors name; it may raise one at once."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        try:
            self._text = text or path.read_text("utf-8")
            self.plan = as_kind(path.name, tomllib.loads(self._text), Plan)
        except DataError as error:
            problem = str(error).partition(": ")[2]
            raise self.error(problem if problem.endswith("?") else f"{problem}.", *error.place) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"{path}: {error}.", advice="A plan is a TOML file in UTF-8.") from None
        self.folder = (path.parent / self.plan.server.directory).absolute()
        if not os.path.isdir(self.folder):  # noqa: PTH112 (whatever its name holds)
            raise self.error(f"there is no folder {self.folder}.", "server", "directory")

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


def _line(text: str, keys: tuple[str, ...]) -> int:
    """Return the number of the line that has the most of *keys*, from the outside in."""
    best, table = (0, 1), list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _TABLE.match(line), _KEY.match(line)
        if header:
            table = header[1].replace('"', "").split(".")
        place = [*table, *key[1].replace('"', "").split(".")] if key else table if header else []
        if place and tuple(place) == keys[: len(place)]:
            best = max(best, (len(place), number))
    return best[1]
