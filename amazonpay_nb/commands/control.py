"""``amazonpay-nb control``: the calls of a running emulator's control interface, from a shell."""

import json
import tomllib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx
from pydantic.alias_generators import to_camel

from amazonpay_nb.commands.options import FILE, INPUT
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.in_process import NOWHERE
from amazonpay_nb.spec.data import start_of

_WRITTEN = "What `amazonpay-nb emulator --ready-file` has written."
_READY_FILE = click.Option(["--ready-file"], required=True, type=INPUT, help=_WRITTEN)


def _call(reads: str, changes: str, ready_file: Path, **values: str | None) -> None:
    fields = {name: value for name, value in values.items() if value is not None}
    changing = bool(changes and (fields or not reads))
    path = changes if changing else reads
    place = path.format_map({name: value or "" for name, value in values.items()}).rstrip("/")
    body = {to_camel(name): value for name, value in fields.items() if f"{{{name}}}" not in path}
    _print(_answer(ready_file, place, body if changing else None))


def _answer(ready_file: Path, path: str, body: dict[str, str] | None = None) -> Any:
    from amazonpay_nb.emulator.remote import Control, ControlError

    try:
        with closing(Control.of(ready_file)) as control:
            return control.get(path) if body is None else control.post(path, **body)
    except (ControlError, ValueError) as error:
        raise ConfigurationError(str(error)) from None
    except (httpx.HTTPError, *NOWHERE) as error:
        problem = f"The emulator of {ready_file} does not answer ({type(error).__name__})."
        raise ConfigurationError(problem) from None


def _print(answer: Any) -> None:
    click.echo(json.dumps(answer, indent=2))


def _parameter(name: str) -> click.Parameter:
    if name.startswith("--"):
        return click.Option([name])
    name, _, choices = name.partition("=")
    kind = click.Choice(choices.split("|")) if choices else None
    return click.Argument([name.removesuffix("?")], required=not name.endswith("?"), type=kind)


@click.group()
def control() -> None:
    """Act as Amazon, the bank, the network or time, on a running emulator; the answer is JSON."""


@control.command(params=[_parameter("action=save|load"), click.Argument(["file"], type=FILE), _READY_FILE])
def world(action: str, file: Path, ready_file: Path) -> None:
    """Write accounts, permissions and all that was charged on them into FILE, or put its world in their place."""
    from amazonpay_nb.emulator.world_file import to_yaml
    from amazonpay_nb.loopback import MAX_BODY_BYTES
    from amazonpay_nb.runs.folder import write_whole

    if action == "save":
        write_whole(file, to_yaml(_answer(ready_file, "world")))
        _print({"file": str(file)})
    else:
        start = start_of(file, MAX_BODY_BYTES)
        if len(start) > MAX_BODY_BYTES:
            problem = f"{file} has more than {MAX_BODY_BYTES:,} bytes."
            raise ConfigurationError(problem, advice="Start an emulator in it, with --world, or make it shorter.")
        try:
            _print(_answer(ready_file, "world", {"world": start.decode(), "name": str(file)}))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file}:1: {error}") from None


# The file describes its fields.
for _name, _row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items():
    _parameters = [*map(_parameter, _row.get("parameters", ())), _READY_FILE]
    _callback = partial(_call, _row.get("reads", ""), _row.get("changes", ""))
    control.add_command(click.Command(_name, params=_parameters, callback=_callback, help=_row["help"]))
