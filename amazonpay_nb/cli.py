"""The ``amazonpay-nb`` command: how it ends, whatever happens, and what it consists of."""

import errno
import io
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import click
import httpx

from amazonpay_nb.commands import checks, control, emulator, notebooks, stage
from amazonpay_nb.commands.options import say
from amazonpay_nb.errors import AmazonPayError
from amazonpay_nb.limits import legible
from amazonpay_nb.redaction import redact

# An optional format checker of jsonschema's, which compiles 35 grammars at import: a second of every run for nothing.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

_AT_ONCE = 10.0  # seconds, longer than a command tidies up; who presses Ctrl-C after that means what is stuck


class _Commands(click.Group):
    """Ends a command that cannot be carried out with its message and exit code 2, without a traceback.

    Nothing that it says about an error repeats a secret: a message quotes arguments, and a traceback values.
    """

    def main(self, *args: Any, **options: Any) -> Any:
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            # A shell has closed it, as `>&-` does, and kernels need each; the lowest number that is free is taken.
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+"))
                os.set_inheritable(number, True)
        for stream in (sys.stdout, sys.stderr):
            # Where a terminal or a log cannot take a character, it gets its code: no command ends for that.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if os.path.expanduser("~") == "~":  # noqa: PTH111 (Path.home() raises)
            os.environ["HOME"] = "/"  # libraries need one even for a user without a home, as in a container
        with _signals():
            try:
                return super().main(*args, **options)
            except Exception:  # noqa: BLE001 (the interpreter would print it as it is)
                with suppress(AmazonPayError):
                    say(redact(traceback.format_exc()), err=True)
                sys.exit(1)
            finally:
                _let_go()

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _sentence_and_code():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _sentence_and_code():
            return super().invoke(ctx)


@contextmanager
def _sentence_and_code() -> Iterator[None]:
    try:
        yield
        return
    except click.ClickException as error:
        error.message = legible(redact(error.message))  # type: ignore[misc]
        show, code = error.show, error.exit_code
    except AmazonPayError as error:
        show, code = partial(say, redact(f"{type(error).__name__}: {error}"), err=True), 2
    except OSError as error:
        message = f"{error.filename or 'This machine says'}: {error.strerror or error}"
        if error.filename and error.errno in (errno.EACCES, errno.EROFS):
            message += "\nChoose a place that you may use; --help says how."
        show, code = partial(say, redact(message), err=True), 2
    except httpx.TransportError as error:  # of the emulator that it has started; no other is asked without a word
        message = f"There is no connection on 127.0.0.1 ({error}). `amazonpay-nb doctor` looks for the reason."
        show, code = partial(say, redact(message), err=True), 2
    except KeyboardInterrupt:
        show, code = partial(say, "Interrupted.", err=True), 128 + signal.SIGINT
    with suppress(AmazonPayError, OSError):  # the code says it where nothing can be printed
        show()
    raise click.exceptions.Exit(code)


def _let_go() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would try again at its end, and make the exit code 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _signals() -> Iterator[None]:
    # The first signal ends the command as an exception does, so that whatever was started is ended, and temporary
    # folders go.  A second one at once, as `timeout` and `uv run` send it, would break that off half-way.
    latest = -math.inf

    def end(number: int, _: object) -> None:
        nonlocal latest
        if (now := time.monotonic()) < latest + _AT_ONCE:
            return
        latest = now
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, end)
    try:
        yield
    finally:
        if latest < 0:  # else the process is about to end, which may be interrupted as little
            for number, handler in before.items():
                signal.signal(number, handler)


_COMMANDS = (
    *(notebooks.run, notebooks.sweep, notebooks.lab, stage.export, stage.kit, stage.demo),
    *(emulator.emulator, control.control, emulator.buyer, emulator.grade),
    *(checks.keys, checks.store, checks.doctor, checks.parity, checks.rehearse),
)


@click.group(cls=_Commands, commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amazonpay-nb")
def main() -> None:
    """Learn, demonstrate and test an Amazon Pay Saved Wallet integration."""
