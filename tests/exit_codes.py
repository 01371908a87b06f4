"""A plugin of pytest, for an exit code that says whether all tests ran."""

from typing import Any

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with 2 where a file cannot be imported: no test ran, and a second try of what failed would show nothing."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and any(isinstance(error, pytest.CollectReport) for error in reporter.stats.get("error", ())):
        session.exitstatus = pytest.ExitCode.INTERRUPTED
