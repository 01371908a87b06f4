"""Commands that say what is right and wrong: with keys, a store, this machine, our claims, and a merchant's server."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from amazonpay_nb.commands.options import FILE, INPUT, OUT, REGION, Verdict, completion, say, verdict
from amazonpay_nb.redaction import redact

_KEY = click.argument("key", envvar="AMAZON_PAY_PRIVATE_KEY_FILE")


@click.group()
def keys() -> None:
    """Make, show and check a merchant's key pair."""


@keys.command("new")
@click.argument("path", default="amazon-pay-private-key.pem", type=FILE)
@verdict
def new_keys(path: Path) -> Verdict:
    """Make a key pair: PATH for the private key (mode 0600), PATH.pub for the public one."""
    from amazonpay_nb.signing import keys as key_files

    made = key_files.generate()
    path, public = key_files.save_pair(made, path)
    say(redact(f"Private key: {path} (mode 0600). Keep it to yourself; no one else needs it."))
    say(redact(f"Public key:  {public}. Upload this one in Seller Central and note the id that you get."))
    say(f"Fingerprint: {made.fingerprint}")
    return {"path": str(path), "publicPath": str(public), "fingerprint": made.fingerprint}, True


# A key begins with dashes as well.
_A_KEY = {"ignore_unknown_options": True}


@keys.command("show", context_settings=_A_KEY)
@_KEY
@click.option("--id", "key_id", default="", help="Its public key id.")
@verdict
def show_keys(key: str, key_id: str) -> Verdict:
    """Show the public half and the fingerprint of a key pair.

    KEY is the path of the private key or its PEM; when left out, what AMAZON_PAY_PRIVATE_KEY_FILE holds.
    """
    from amazonpay_nb.signing import keys as key_files

    loaded = key_files.load(key, key_id)
    say(loaded.public_pem.strip())
    say(f"Fingerprint: {loaded.fingerprint}")
    return {"publicKey": loaded.public_pem, "fingerprint": loaded.fingerprint}, True


@keys.command("check", context_settings=_A_KEY)
@_KEY
@click.option("--id", "key_id", default="", help="Its public key id.")
@REGION
@click.option("--environment", default="sandbox", show_default=True)
@verdict
def check_keys(key: str, key_id: str, region: str, environment: str) -> Verdict:
    """Say what is right and wrong with a private key.

    KEY is its path or its PEM; when left out, what AMAZON_PAY_PRIVATE_KEY_FILE holds.
    """
    from amazonpay_nb.signing import keys as key_files

    return _print_findings(key_files.check(key, key_id, region=region, environment=environment))


@click.group()
def store() -> None:
    """Look at the file of an emulator's store."""


@store.command("check")
@click.argument("file", type=INPUT)
@verdict
def check_store(file: Path) -> Verdict:
    """Say what is right and wrong with FILE, without writing to it: owner, version, tables, settings, every record.

    Exit code: 0 all is right, 1 something is wrong, 2 there is no such file, or an emulator is using it.
    """
    from amazonpay_nb.emulator.store_file import check_unused, findings

    check_unused(file)
    return _print_findings([*findings(file, whole=True)])


@click.command()
@verdict
def doctor() -> Verdict:
    """Check this machine: Python, packages, kernel, loopback, and the variables for a real account."""
    from amazonpay_nb.rehearsal.browser import program_here
    from amazonpay_nb.runs.doctor import examine

    return _print_findings(examine(program_here()))


def _print_findings(findings: list[Any]) -> Verdict:
    rows = [{"ok": ok, "text": redact(text)} for ok, text in findings]
    for row in rows:
        say(f"{'✓' if row['ok'] else '✗'} {row['text']}")
    return rows, all(row["ok"] for row in rows)


@click.command()
@click.option("--base-url", metavar="URL", help="Ask Amazon's Sandbox here, as the account in the environment.")
@REGION
@click.option("--currency", help="What the account is kept in: GBP, where it is not the region's usual one.")
@click.option("--buyer", type=click.Choice(["you", "script", "none"]), help="Who plays; a script only on an emulator.")
@click.option(
    "--only", multiple=True, metavar="ID", help="Ask this probe alone; may be repeated.",
    shell_complete=completion("amazonpay_nb.runs.probes:probes"),
)  # fmt: skip
@click.option("--out", type=FILE, help="Write what was seen; a file that holds a part of it is continued.")
@click.option("--compare", type=FILE, help="Compare this recording with what is seen now.")
@verdict
def parity(base_url: str | None, region: str, compare: Path | None, **options: Any) -> Verdict:
    """Compare what we claim about Amazon Pay with what it answers: docs/recording.md.

    Without an address, an emulator is started and asked.  No probe spends money: live is refused.

    Exit code: 0 every claim that was reached is equal, 1 one differs or none was reached, 2 this cannot be asked.
    """
    from amazonpay_nb.runs import recordings
    from amazonpay_nb.runs.parity import record, target

    there = recordings.read(compare) if compare else None
    if there:
        region, options["currency"] = there["target"]["region"], there["target"]["currency"]
    with target(base_url, region) as place:
        here = record(place, say=partial(say, err=True), **options)
    comparison = recordings.compare(here, there) if there else recordings.claimed(here)
    say(recordings.text(comparison))
    return comparison, bool(comparison["equal"]) and not comparison["different"]


@click.command()
@click.argument("plan", type=INPUT)
@click.option(
    "--only", multiple=True, metavar="ID", help="Play this check alone; may be repeated.",
    shell_complete=completion("amazonpay_nb.rehearsal.plan:ROWS"),
)  # fmt: skip
@OUT
@click.option("--headed", is_flag=True, help="Show the browser.")
@click.option("--browser", metavar="PATH", help="The Chromium to use, or none: play only what needs no buyer.")
@click.option("--env-file", type=FILE, help="Let somebody else start the server, with the variables written here.")
@verdict
def rehearse(plan: Path, out: Path, env_file: Path | None, **options: Any) -> Verdict:
    """Rehearse the server that PLAN describes, from Amazon's side: docs/own-server.md.

    Buyers are real browsers, Amazon is an emulator that also fails on purpose, and its books are the truth.  Nothing
    leaves this machine.

    Exit code: 0 nothing but advice failed, 1 something else did or, with a browser, nothing could be tried, 2 the plan
    or the server cannot be used.
    """
    from amazonpay_nb.rehearsal.rehearsal import REPORTS, rehearse as play, table, write_report
    from amazonpay_nb.runs.folder import report_folder

    with report_folder(out, REPORTS):
        if env_file:
            say(f"Start the server once {env_file} is there, with its variables.", err=True)
        line = "{0.status:<9} {0.row.id} ({0.seconds:.1f} s)"
        rehearsal = play(plan, env_file=env_file, say=lambda result: say(line.format(result)), **options)
        write_report(rehearsal, out, finished=datetime.now(UTC))
    say(table(rehearsal))
    say(f"Report: {out / 'rehearsal.html'}")
    if rehearsal.nothing:
        say("Nothing could be tried: the reasons are above.", err=True)
    return out / "rehearsal.json", not (rehearsal.wrong or rehearsal.nothing)
