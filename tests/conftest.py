"""Properties are checked without a stopwatch: that a busy machine is slow says nothing about the code."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from amazonpay_nb.emulator import Emulator
from amazonpay_nb.emulator.notifications import post
from tests.emulated import Shop
from tests.exit_codes import pytest_sessionfinish as pytest_sessionfinish
from tests.processes import PATIENCE
from tests.sns import Sns, certificate

# What is set already stays: where CI is set, Hypothesis takes the same examples each time.
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# What httpx waits for where nobody says how long: its five seconds are less than a busy machine stands still.
httpx._config.DEFAULT_TIMEOUT_CONFIG.__init__(PATIENCE)  # type: ignore[misc]
# So are those of a delivery, whose endpoint is often in the same process.
post.DELIVERY_TIMEOUT_SECONDS, post.LONGEST_WAIT_SECONDS = PATIENCE, 4 * PATIENCE

# A shell that starts the tests in the background lets them ignore Ctrl-C, and the programs that they start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with the end of the terminal; a program does not inherit a function.
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# What a test asks is on this machine, where a proxy finds nothing; what npm asks may be beyond it.
for direct in ("no_proxy", "NO_PROXY"):
    os.environ[direct] = ",".join(filter(None, ["localhost", "127.0.0.1", os.environ.get(direct)]))

# Folders with few tests that take long, and a file: they come first, so that no worker is left alone with one in the
# end, and with a file of each in turn, since those of one folder compute, and those of another wait.
LONG = ["browser", "rehearsal", "notebooks", "proofs", "interop", "runs", "test_cli"]
# Its files share a JupyterLab, so they are one piece of work.
TOGETHER = "tests/browser/lab"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    turns, files = Counter[str](), dict[Path, tuple[int, int]]()
    for path in dict.fromkeys(item.path for item in items):
        folder = path.stem if path.stem in LONG else path.parent.name
        is_long, is_first = folder in LONG, str(path.parent).endswith(TOGETHER)
        files[path] = (0 if is_first else 1 + turns[folder] if is_long else len(items), [*LONG, folder].index(folder))
        turns[folder] += 1
    items.sort(key=lambda item: files[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # only where there are workers

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return TOGETHER if str(Path(file).parent) == TOGETHER else file

    return Scheduling(config, log)


def _shop(region: str) -> Iterator[Shop]:
    with Emulator(region, seed=7) as emulator, Shop(emulator) as shop:
        yield shop


@pytest.fixture(scope="module")
def na() -> Iterator[Shop]:
    """A merchant of an emulator of its own, in North America."""
    yield from _shop("na")


@pytest.fixture(scope="module")
def eu() -> Iterator[Shop]:
    """A merchant of an emulator of its own, in Europe."""
    yield from _shop("eu")


@pytest.fixture(scope="module")
def jp() -> Iterator[Shop]:
    """A merchant of an emulator of its own, in Japan."""
    yield from _shop("jp")


@pytest.fixture(scope="session")
def made() -> Sns:
    """A notification service; making its key takes time."""
    return Sns()


@pytest.fixture
def sns(made: Sns) -> Sns:
    """The notification service as it is in the beginning."""
    made.status, made.headers, made.requests, made.certificate = 200, {}, [], certificate(made.key)
    return made
