"""A Chromium for the buyers, and patience; without it the tests that need it are skipped, and fail where CI is set."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from amazonpay_nb.rehearsal import browser, notification_checks, server
from amazonpay_nb.rehearsal.browser import program_here
from tests.processes import PATIENCE


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = program_here()
    if path is None:
        missing = "NOT TESTED IN A BROWSER: there is no chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@contextmanager
def _patience() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, names in (
            (server, ("READY_SECONDS", "ANSWER_SECONDS")),
            (browser, ("PAGE_SECONDS", "BUTTON_SECONDS")),
            (notification_checks, ("FAST_SECONDS", "LATE_SECONDS")),
        ):
            for name in names:
                patch.setattr(module, name, float(PATIENCE))
        patch.setattr(server.soon, "__defaults__", (20.0, *server.soon.__defaults__[1:]))
        yield


@pytest.fixture
def unhurried() -> Iterator[None]:
    """A server that is right is so on a busy machine, too: what it does may come late."""
    with _patience():
        yield


@pytest.fixture(scope="module")
def unhurried_module() -> Iterator[None]:
    """The same for all tests of a module."""
    with _patience():
        yield
