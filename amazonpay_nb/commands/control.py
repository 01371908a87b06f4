"""``amazonpay-nb control``: the calls of a running emulator's control interface, from a shell."""

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import click
import httpx
from pydantic.alias_generators import to_camel

# Command → what it does, the paths of the calls that read and that change ("" for none), and its parameters, with "?"
# after one that may be left out, or "=" before its values.  What the path does not name is a field of the body; without
# any, a command reads.
_ROWS = {
    "clock": ("Show the time, or ADVANCE it: PT24H, P30D.", "clock", "clock", "advance?"),
    "outcome": (
        "Let the next calls of an operation end as a simulation code says.", "", "outcomes",
        "operation simulation_code --times",
    ),
    "fault": (
        "Let the next calls meet a FAULT: reset, drop-after-commit, delay or status.", "", "faults",
        "operation fault --status --seconds --times",
    ),
    "cause": (
        "Do what only Amazon, the bank or the buyer can.", "", "{kind}/{id}",
        "kind=permissions|charges|disputes id state --reason-code --resolution",
    ),
    "notify": (
        "List notifications, or send them to URL from now on, to nobody with ''.", "notifications",
        "notifications/endpoint", "url?",
    ),
    "drill": ("Disturb the next notifications: duplicate, late, swap, lost, burst.", "", "notifications/drill", "kind"),
    "objects": ("Show the objects of a KIND, such as charges, or one of them.", "objects/{kind}/{id}", "", "kind id?"),
    "journal": ("Show the exchanges of the API.", "journal", "", ""),
    "snapshot": ("Keep a copy of the world, and show its id.", "", "snapshot", ""),
    "restore": ("Put a copy back.", "", "restore", "id"),
    "reset": ("Delete all objects; accounts and keys stay, and the clock without --now.", "", "reset", "--now"),
}  # fmt: skip


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


for _name, (_text, _reads, _changes, _names) in _ROWS.items():
    _file = click.Option(
        ["--ready-file"], required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="What `amazonpay-nb emulator --ready-file` has written.",
    )  # fmt: skip
    _parameters = [*map(_parameter, _names.split()), _file]
    control.add_command(click.Command(_name, params=_parameters, callback=partial(_call, _reads, _changes), help=_text))
