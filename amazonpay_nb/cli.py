"""The ``amazonpay-nb`` command."""

import io
import os
import signal
import ssl
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.redaction import redact

_FILE = click.Path(dir_okay=False, path_type=Path)
_OUT = click.option(
    "--out", default="out", show_default=True, type=click.Path(file_okay=False, path_type=Path), help="Where to write."
)
_PARAMETER = click.option(
    "-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter or setting.",
    callback=lambda ctx, option, pairs: _texts(pairs),
)  # fmt: skip
_PORT = click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
_READY_FILE = click.option("--ready-file", type=_FILE, help="Write the emulator's address and keys here.")
_KEY = click.argument("key", envvar="AMAZON_PAY_PRIVATE_KEY_FILE")
_REGION = click.option("--region", default="na", show_default=True, type=click.Choice(["na", "eu", "jp"]))


class _Commands(click.Group):
    """Ends a command that cannot be carried out with its message and exit code 2, without a traceback.

    Nothing that it says about an error repeats a secret: a message quotes arguments, and a traceback values.
    """

    def main(self, *args: Any, **options: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            # Where a terminal or a log cannot take a character, it gets its code: no command ends for that.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            return super().main(*args, **options)
        except Exception:  # noqa: BLE001 (the interpreter would print it as it is)
            click.echo(redact(traceback.format_exc()), err=True)
            sys.exit(1)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _masked_usage():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _masked_usage():
                return super().invoke(ctx)
        except AmazonPayError as error:
            message, code = f"{type(error).__name__}: {error}", 2
        except OSError as error:
            message, code = f"{error.filename or 'This machine says'}: {error.strerror or error}", 2
        except KeyboardInterrupt:
            message, code = "Interrupted.", 128 + signal.SIGINT
        click.echo(redact(message), err=True)
        return ctx.exit(code)


@contextmanager
def _masked_usage() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.message = redact(error.message)  # type: ignore[misc]
        raise


def _end(number: int, _: object) -> None:
    # As an exception, so that whatever was started is ended, and temporary folders go.
    sys.exit(128 + number)


def _texts(parameters: tuple[tuple[str, str], ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, text in parameters:
        if name in texts:
            raise click.UsageError(f"The parameter {name} is given twice: {texts[name]!r} and {text!r}.")
        texts[name] = text
    return texts


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amazonpay-nb")
def main() -> None:
    """Learn, demonstrate and test an Amazon Pay Saved Wallet integration."""


@main.command()
@click.argument("notebooks", nargs=-1)
@_PARAMETER
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="Notebooks at the same time.")
@click.option("--offline", is_flag=True, help="Fail a notebook that tries to connect to another machine.")
@_OUT
def run(notebooks: tuple[str, ...], parameters: dict[str, str], jobs: int, offline: bool, out: Path) -> None:
    """Execute notebooks without a person and write a report.

    NOTEBOOKS are paths, names or numbers (01); all of them when left out.  Exit code: 0 all passed, 1 one failed,
    2 a parameter is wrong.
    """
    from amazonpay_nb.runs import runner
    from amazonpay_nb.runs.notebook import find_notebooks
    from amazonpay_nb.workbench.parameters import check_unattended, check_values

    check_values(parameters)
    check_unattended(parameters)
    summary = runner.run(find_notebooks(notebooks), parameters, out=out, jobs=jobs, offline=offline)
    click.echo(summary.table())
    click.echo(f"Report: {out / 'report.html'}")
    sys.exit(int(summary.failed > 0))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab on the workbook; OPTIONS go to JupyterLab."""
    from amazonpay_nb.runs.notebook import notebook_folder

    folder = notebook_folder()
    start = str(folder / "00_start_here.ipynb")
    arguments = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.parent}", *options, start]
    os.execv(sys.executable, arguments)  # noqa: S606 (replaces this process on purpose)


@main.command()
@click.argument("notebook", default="01")
@_PARAMETER
@_PORT
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def demo(notebook: str, parameters: dict[str, str], port: int, browser: bool) -> None:
    """Present NOTEBOOK (01 when left out) without code, one step at a time, until it is interrupted.

    The shop is yours:  -p merchant_name "Corner Shop" -p merchant_color "#0b5c6b" -p region eu -p language de_DE
    """
    from amazonpay_nb.runs.demo import present

    present(notebook, parameters, port=port, browser=browser, say=click.echo)


@main.command()
@click.argument("notebook", default="01")
@_PARAMETER
@_OUT
def export(notebook: str, parameters: dict[str, str], out: Path) -> None:
    """Write one page to leave behind: a finished run of NOTEBOOK (01 when left out), without network and kernel.

    A notebook that was executed before is exported as it is; one of the workbook is run first.  The last line is the
    page's path.  Exit code: 0 the run passed, 1 it failed, 2 the page cannot be made.
    """
    from amazonpay_nb.runs.export import export as write_page

    path, error = write_page(notebook, parameters, out)
    if error:
        click.echo(error, err=True)
    click.echo(path)
    sys.exit(int(error is not None))


def _moment(ctx: click.Context, option: click.Parameter, value: str | None) -> datetime | str | None:
    if value is None or value == "real":
        return value
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is neither 'real' nor a time such as 2026-01-15T12:00:00Z") from None


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@_PORT
@click.option("--https", is_flag=True, help="Serve HTTPS with an own authority.")
@_REGION
@click.option("--store", type=_FILE, help="Keep the world in this file.")
@click.option("--seed", type=int, help="Make ids repeat, and time virtual.")
@click.option("--clock", callback=_moment, help="Virtual time to start from, or 'real'.")
@click.option("--domain", "domains", multiple=True, metavar="HOST", help="Register a domain for buttons.")
@click.option("--throttle", is_flag=True, help="Apply the documented quotas.")
@_READY_FILE
def emulator(clock: Any, ready_file: Path | None, **options: Any) -> None:
    """Run the emulated Amazon Pay until it is interrupted."""
    from amazonpay_nb.emulator import Emulator

    real_time = clock == "real"
    try:
        server = Emulator(start=None if real_time else clock, real_time=real_time, **options)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        place = f"Port {options['port']} on {options['host']}"
        advice = "choose another, or 0 for a free one."
        raise click.UsageError(f"{place} cannot be used ({error.strerror}); {advice}") from None
    ready = server.ready()
    if ready_file:
        server.write_ready_file(ready_file)
    click.echo(f"Amazon Pay emulator, region {ready['region']}: {server.url}")
    click.echo(f"  public key id {ready['publicKeyId']}, private key in {ready['privateKeyFile']}")
    # To be asked to end is how a server succeeds.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        server.stop()


@main.command()
@click.argument("action", type=click.Choice(["approve", "cancel", "decline"]))
@click.argument("url")
@click.option("--card", default="1111", show_default=True, help="Last four digits of the payment method.")
@click.option("--then", default="", help="Another payment method, after the first was declined.")
@click.option("--no-consent", is_flag=True, help="Buy without saving the wallet.")
@click.option("--mfa", default="pass", show_default=True, type=click.Choice(["pass", "fail"]))
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Authority of an HTTPS emulator.")
def buyer(action: str, url: str, card: str, then: str, no_consent: bool, mfa: str, ca_file: str | None) -> None:
    """Play the buyer on hosted pages; the last line printed is the merchant's address."""
    import httpx

    from amazonpay_nb.loopback import http_client
    from amazonpay_nb.shop import buyer as script

    # On loopback there is no one in between, and only the emulator knows its own authority.  A page from there may
    # lead to another host, and that host is verified.
    local = None if ca_file else httpx.HTTPTransport(verify=False)
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
    with http_client(timeout=30, verify=verify, local=local) as http:
        choices = {"card": card, "then": then, "consent": not no_consent, "mfa": mfa} if action == "approve" else {}
        address = getattr(script, action)(url, http=http, **choices)
        try:
            reached = script.arrive(address, http=http)
            note = "The shop's address was opened." if reached else "The shop is not on this machine; not opened:"
        except httpx.TransportError as error:
            note = f"The buyer is done, but nothing answers at the shop's address ({type(error).__name__}):"
    click.echo(note)
    click.echo(address)


@main.command()
@click.argument("url", required=False)
@_REGION
@_READY_FILE
@click.option("--https", is_flag=True, help="Serve the certificate by HTTPS; the authority is FILE's caFile.")
def grade(url: str | None, region: str, ready_file: Path | None, https: bool) -> None:
    """Grade the handler of instant notifications at URL, on this machine; without URL, grade our own.

    With --ready-file, FILE says how the handler can get the objects of its notifications, and whether it does so is
    graded, too.

    The handler has to take certificates (SigningCertURL) from the host 127.0.0.1, too, at any port and at a path of
    SNS's.  Where it insists on https, add --https, and let it trust the authority that FILE names.

    Exit code: 0 all good, 1 something is wrong, 2 the address cannot be graded.
    """
    from amazonpay_nb.emulator import Emulator
    from amazonpay_nb.lessons import grading
    from amazonpay_nb.workbench.show import show

    if https and not (url and ready_file):
        raise click.UsageError("--https needs URL, and --ready-file: the handler finds the authority there.")
    if url is None:
        grades = grading.grade_own(region)
    else:
        with Emulator(region, https=https) as server:
            if ready_file:
                server.write_ready_file(ready_file)
            grades = grading.grade(url, server, observed=ready_file is not None)
    click.echo(show(grades, title="How the handler did").text)
    sys.exit(0 if grading.passes(grades) else 1)


@main.group()
def keys() -> None:
    """Make, show and check a merchant's key pair."""


@keys.command("new")
@click.argument("path", default="amazon-pay-private-key.pem", type=_FILE)
def new_keys(path: Path) -> None:
    """Make a key pair: PATH for the private key (mode 0600), PATH.pub for the public one."""
    from amazonpay_nb.signing import keys as key_files

    made = key_files.generate()
    key_files.save(made, path)
    public = path.with_name(path.name + ".pub")
    key_files.save_public(made, public)
    click.echo(redact(f"Private key: {path} (mode 0600). Keep it to yourself; no one else needs it."))
    click.echo(redact(f"Public key:  {public}. Upload this one in Seller Central and note the id that you get."))
    click.echo(f"Fingerprint: {made.fingerprint}")


# A key begins with dashes as well.
_A_KEY = {"ignore_unknown_options": True}


@keys.command("show", context_settings=_A_KEY)
@_KEY
@click.option("--id", "key_id", default="", help="Its public key id.")
def show_keys(key: str, key_id: str) -> None:
    """Show the public half and the fingerprint of a key pair.

    KEY is the path of the private key or its PEM; when left out, what AMAZON_PAY_PRIVATE_KEY_FILE holds.
    """
    from amazonpay_nb.signing import keys as key_files

    loaded = key_files.load(key, key_id)
    click.echo(loaded.public_pem.strip())
    click.echo(f"Fingerprint: {loaded.fingerprint}")


@keys.command("check", context_settings=_A_KEY)
@_KEY
@click.option("--id", "key_id", default="", help="Its public key id.")
@_REGION
@click.option("--environment", default="sandbox", show_default=True)
def check_keys(key: str, key_id: str, region: str, environment: str) -> None:
    """Say what is right and wrong with a private key.

    KEY is its path or its PEM; when left out, what AMAZON_PAY_PRIVATE_KEY_FILE holds.
    """
    from amazonpay_nb.signing import keys as key_files

    _print_findings(key_files.check(key, key_id, region=region, environment=environment))


def _print_findings(findings: list[Any]) -> None:
    for ok, text in findings:
        click.echo(redact(f"{'✓' if ok else '✗'} {text}"))
    sys.exit(0 if all(ok for ok, _ in findings) else 1)


@main.command()
def doctor() -> None:
    """Check this machine: Python, packages, kernel, loopback, and the variables for a real account."""
    from amazonpay_nb.runs.doctor import examine

    _print_findings(examine())
