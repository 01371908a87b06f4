"""A plugin of pytest, for an exit code that says whether all tests ran."""

from typing import Any

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End with 2 where a file cannot be imported, or too many processes end: a second try would leave tests out."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if not reporter:  # one process of several
        return
    reports = [report for reports in reporter.stats.values() for report in reports]
    tried = {report.nodeid for report in reports if isinstance(report, pytest.TestReport)}
    is_readable = not any(isinstance(report, pytest.CollectReport) and report.failed for report in reports)
    if session.testsfailed and not (is_readable and len(tried) == session.testscollected):
        session.exitstatus = pytest.ExitCode.INTERRUPTED
