"""``amazonpay-nb control``: the calls of a running emulator's control interface, from a shell."""

import json
import tomllib
from contextlib import closing
from functools import partial
from pathlib import Path

import click
import httpx
from pydantic.alias_generators import to_camel


class _Refused(click.ClickException):
    exit_code = 2


def _call(reads: str, changes: str, ready_file: Path, **values: str | None) -> None:
    from amazonpay_nb.emulator.server import Control, ControlError

    fields = {name: value for name, value in values.items() if value is not None}
    changing = bool(changes and (fields or not reads))
    path = changes if changing else reads
    place = path.format_map({name: value or "" for name, value in values.items()}).rstrip("/")
    body = {to_camel(name): value for name, value in fields.items() if f"{{{name}}}" not in path}
    try:
        with closing(Control.of(ready_file)) as control:
            answer = control.post(place, **body) if changing else control.get(place)
    except (ControlError, ValueError) as error:
        raise _Refused(str(error)) from None
    except httpx.HTTPError as error:
        raise _Refused(f"The emulator of {ready_file} does not answer ({type(error).__name__}).") from None
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def _parameter(name: str) -> click.Parameter:
    if name.startswith("--"):
        return click.Option([name])
    name, _, choices = name.partition("=")
    kind = click.Choice(choices.split("|")) if choices else None
    return click.Argument([name.removesuffix("?")], required=not name.endswith("?"), type=kind)


@click.group()
def control() -> None:
    """Act as Amazon, the bank, the network or time, on a running emulator; the answer is JSON."""


# The file describes its fields.
for _name, _row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items():
    _file = click.Option(
        ["--ready-file"], required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="What `amazonpay-nb emulator --ready-file` has written.",
    )  # fmt: skip
    _parameters = [*map(_parameter, _row.get("parameters", ())), _file]
    _callback = partial(_call, _row.get("reads", ""), _row.get("changes", ""))
    control.add_command(click.Command(_name, params=_parameters, callback=_callback, help=_row["help"]))
