"""Writes what a rehearsal leaves behind: a verdict for programs, a page for the server's author, a file for CI."""

import json
from datetime import datetime
from pathlib import Path

from amazonpay_nb.rehearsal.rehearsal import Rehearsal
from amazonpay_nb.runs.folder import POLICY, write_whole
from amazonpay_nb.texts import templates

_FOLDER = Path(__file__).parent / "templates"
REPORTS = ("rehearsal.html", "junit.xml", "rehearsal.json")


def write_report(rehearsal: Rehearsal, out: Path, *, finished: datetime) -> None:
    """Write the three files into *out*, the verdict last."""
    for name in ("rehearsal.html", "junit.xml"):
        page = templates(_FOLDER).get_template(name)
        write_whole(out / name, page.render(policy=POLICY, rehearsal=rehearsal, finished=finished))
    write_whole(out / "rehearsal.json", json.dumps(rehearsal.as_json(), indent=2, ensure_ascii=False) + "\n")


def table(rehearsal: Rehearsal) -> str:
    """Return what failed and what was not tried, and the counts, for a terminal."""
    return templates(_FOLDER, html=False).get_template("terminal.txt").render(rehearsal=rehearsal).rstrip()
