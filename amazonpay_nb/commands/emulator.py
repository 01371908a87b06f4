"""Commands around the emulated Amazon Pay: itself, its buyer, and the grades of a notification handler."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from amazonpay_nb.commands.options import FILE, INPUT, PORT, REGION, Verdict, ready_file_with, removal, say, verdict


def _moment(ctx: click.Context, option: click.Parameter, value: str | None) -> datetime | str | None:
    if value is None or value == "real":
        return value
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is neither 'real' nor a time such as 2026-01-15T12:00:00Z") from None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@PORT
@click.option("--https", is_flag=True, help="Serve HTTPS with an own authority.")
@REGION
@click.option("--store", type=FILE, help="Keep the world in this file.")
@click.option("--seed", type=int, help="Make ids repeat, and time virtual.")
@click.option("--clock", callback=_moment, help="Virtual time to start from, or 'real'.")
@click.option("--domain", "domains", multiple=True, metavar="HOST", help="Register a domain for buttons.")
@click.option("--throttle", is_flag=True, help="Apply the documented quotas.")
@click.option("--proxy", is_flag=True, help="Be a proxy for Amazon Pay's hosts, too, for code that names them.")
@click.option("--notify", metavar="URL", help="Send notifications here, an address of this machine.")
@click.option("--world", type=INPUT, help="Start in the world of this file.")
@ready_file_with("the emulator's address and keys")
def emulator(clock: Any, ready_file: Path | None, **options: Any) -> None:
    """Run the emulated Amazon Pay until it is interrupted."""
    import sqlite3

    from amazonpay_nb.emulator import Emulator
    from amazonpay_nb.emulator.store import unusable

    real_time = clock == "real"
    try:
        server = Emulator(start=None if real_time else clock, real_time=real_time, in_process=False, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        place = f"Port {options['port']} on {options['host']}"
        advice = "choose another port (0 takes a free one) or host."
        raise click.UsageError(f"{place} cannot be used ({error.strerror}); {advice}") from None
    try:
        ready = server.ready()
        with removal(ready_file, server.control.token):
            if ready_file:
                server.write_ready_file(ready_file)
            say(f"Amazon Pay emulator, region {ready['region']}: {server.url}")
            say(f"  public key id {ready['publicKeyId']}, private key in {ready['privateKeyFile']}")
            if server.proxy_url:
                say(f"  proxy {server.proxy_url}, its authority in {server.proxy_ca_file}")
            server.run()
    except sqlite3.Error as error:  # the world is in the store, the keys are not
        raise click.UsageError(unusable(options["store"], error)) from None
    except KeyboardInterrupt:
        say("Stopped.")
    except SystemExit as end:
        if end.code != 128 + signal.SIGTERM:  # to be asked to end is how a server succeeds
            raise
    finally:
        server.stop()


@click.command()
@click.argument("action", type=click.Choice(["approve", "cancel", "decline"]))
@click.argument("url")
@click.option("--card", default="1111", show_default=True, help="Last four digits of the payment method.")
@click.option("--then", default="", help="Another payment method, after the first was declined.")
@click.option("--no-consent", is_flag=True, help="Buy without saving the wallet.")
@click.option("--mfa", default="pass", show_default=True, type=click.Choice(["pass", "fail"]))
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Authority of an HTTPS emulator.")
@verdict
def buyer(action: str, url: str, card: str, then: str, no_consent: bool, mfa: str, ca_file: str | None) -> Verdict:
    """Play the buyer on hosted pages; the last line printed is the merchant's address."""
    import httpx

    from amazonpay_nb.shop import buyer as script

    with script.browser(authority=ca_file) as http:
        choices = {"card": card, "then": then, "consent": not no_consent, "mfa": mfa} if action == "approve" else {}
        address, reached = getattr(script, action)(url, http=http, **choices), False
        try:
            reached = script.arrive(address, http=http)
            note = "The shop's address was opened." if reached else "The shop is not on this machine; not opened:"
        except httpx.RequestError as error:
            note = f"The buyer is done, but the shop's address does not open ({type(error).__name__}):"
    say(note)
    say(address)
    return {"address": address, "opened": reached}, True


@click.command()
@click.argument("url", required=False)
@REGION
@ready_file_with("the emulator's address and keys")
@click.option("--https", is_flag=True, help="Serve the certificate by HTTPS; the authority is FILE's caFile.")
@verdict
def grade(url: str | None, region: str, ready_file: Path | None, https: bool) -> Verdict:
    """Grade the handler of instant notifications at URL, on this machine; without URL, grade our own.

    With --ready-file, FILE says how the handler can get the objects of its notifications, and what it does is graded,
    too. Without it, whether a forgery that is answered by 2xx is dropped or believed is not seen.

    The handler has to take certificates (SigningCertURL) from the host 127.0.0.1, too, at any port and at a path of
    SNS's.  Where it insists on https, add --https, and let it trust the authority that FILE names.

    Exit code: 0 all good, 1 something is wrong, 2 the address cannot be graded.
    """
    from amazonpay_nb.emulator import Emulator
    from amazonpay_nb.rehearsal import grading
    from amazonpay_nb.workbench.show import show

    if https and not (url and ready_file):
        raise click.UsageError("--https needs URL, and --ready-file: the handler finds the authority there.")
    if url is None:
        grades = grading.grade_own(region)
    else:
        with Emulator(region, https=https, in_process=False) as server, removal(ready_file, server.control.token):
            if ready_file:
                server.write_ready_file(ready_file)
            grades = grading.grade(url, server, observed=ready_file is not None)
    say(show(grades, title="How the handler did").text)
    if url and not ready_file:
        say("What a handler does is seen with --ready-file.")
    return [row._asdict() | {"verdict": row.verdict[2:]} for row in grades], grading.passes(grades)
