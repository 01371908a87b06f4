"""Writes what a rehearsal leaves behind: a verdict for programs, a page for the server's author, a file for CI."""

import json
from datetime import datetime
from pathlib import Path

from amazonpay_nb.rehearsal.rehearsal import Rehearsal
from amazonpay_nb.runs.folder import POLICY, write_whole
from amazonpay_nb.texts import templates

REPORTS = ("rehearsal.html", "junit.xml", "rehearsal.json")


def write_report(rehearsal: Rehearsal, out: Path, *, finished: datetime) -> None:
    """Write the three files into *out*, the verdict last."""
    pages = templates(Path(__file__).parent / "templates")
    for name in ("rehearsal.html", "junit.xml"):
        write_whole(out / name, pages.get_template(name).render(policy=POLICY, rehearsal=rehearsal, finished=finished))
    write_whole(out / "rehearsal.json", json.dumps(rehearsal.as_json(), indent=2, ensure_ascii=False) + "\n")


def table(rehearsal: Rehearsal) -> str:
    """Return what failed and what was not tried, and the counts, for a terminal."""
    lines: list[str] = []
    for one in rehearsal.results:
        if one.status != "passed":
            severity = f" [{one.row.severity}]" if one.status == "failed" else ""
            lines.append(f"{'✗' if one.status == 'failed' else '–'} {one.row.id}{severity}: {one.seen}")
        if one.status == "failed":
            lines.append(f"    {one.row.advice}")
    counts = (f"{rehearsal.count(status)} {status.replace('-', ' ')}" for status in ("passed", "failed", "not-tried"))
    return "\n".join([*lines, f"{', '.join(counts)} in {rehearsal.seconds:.1f} s"])
