"""Show a notebook to somebody: no code on the screen, one step after the other, everything on this machine.

Voila runs the notebook for each visitor in a kernel of its own, so "Start again" is a new run from the top.
"""

import ast
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from traitlets.config import Config

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import known_as, open_port
from amazonpay_nb.runs.report import with_pictures_from
from amazonpay_nb.runs.runner import find_notebooks, inspect, typed
from amazonpay_nb.workbench.parameters import PARAMETERS, check_names, check_values

__all__ = ["DEFAULT_NOTEBOOK", "check", "prepared", "present", "steps", "with_values", "without_ways"]

# What is shown, and left behind, where no notebook is named.
DEFAULT_NOTEBOOK = "01"
_TEMPLATES = Path(__file__).parent / "templates"
_PRESET = "from amazonpay_nb import parameters\n\nparameters.preset({!r})"
_NOTEBOOK_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\([^)\s]+\.ipynb(?:#[^)]*)?\)")
# The lines at the ends of a chapter that lead to another one.
_WAY_LINE = re.compile(r"^\*\*(?:Back|Next):\*\*.*(?:\n|$)", re.MULTILINE)
_HEADING = re.compile(r"#{1,3} ")


def check(path: Path, given: Mapping[str, str]) -> None:
    """Check values for a notebook's own parameters and for the settings of the workbench.

    Raises:
        ConfigurationError: A name or value is not usable; nothing was started.
    """
    own = inspect(path)
    check_names(given, {*own, *PARAMETERS})
    check_values(given)
    for name in set(given) & set(own):
        typed(own[name], given[name])


def prepared(path: Path, given: Mapping[str, str]) -> Any:
    """Return a notebook that is to be shown to others: with values, and without ways to chapters that are not there.

    Args:
        given: Values by name: for parameters of the notebook, else for settings that it leaves alone.
    """
    own = inspect(path)
    document = without_ways(nbformat.read(path, as_version=4))
    values = {name: typed(own[name], text) for name, text in given.items() if name in own}
    for cell in document.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = with_values(cell.source, values)
    settings = {name: text for name, text in given.items() if name not in own}
    if settings:
        first = next(i for i, cell in enumerate(document.cells) if cell.cell_type == "code")
        preset = nbformat.v4.new_code_cell(_PRESET.format(settings), metadata={"tags": ["remove-cell"]})
        document.cells.insert(first, preset)
    return document


def without_ways(document: Any) -> Any:
    """Return the notebook with the names of other chapters in place of links to them."""
    for cell in document.cells:
        if cell.cell_type == "markdown":
            cell.source = _NOTEBOOK_LINK.sub(r"\1", _WAY_LINE.sub("", cell.source)).rstrip()
    return document


def with_values(source: str, values: Mapping[str, Any]) -> str:
    """Return the source of a cell of parameters with other values; comments and the order stay."""
    text = source.encode()  # ast counts bytes, not characters
    starts = [0, *(found.end() for found in re.finditer(rb"\n", text))]
    for statement in reversed(ast.parse(source).body):
        match statement:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as old)
                | ast.Assign(targets=[ast.Name(id=name)], value=old)
            ) if name in values:
                value = values[name]
                new = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
                start = starts[old.lineno - 1] + old.col_offset
                end = starts[(old.end_lineno or old.lineno) - 1] + (old.end_col_offset or 0)
                text = text[:start] + new.encode() + text[end:]
    return text.decode()


def steps(document: Any) -> Any:
    """Return the notebook with a cell for each heading: a step of the presentation begins there."""
    cells = []
    for cell in document.cells:
        parts = filter(str.strip, _parts(cell.source)) if cell.cell_type == "markdown" else [cell.source]
        for number, source in enumerate(parts):
            cells.append(nbformat.from_dict({**cell, "id": f"{cell.id}-{number}", "source": source.strip()}))
    document.cells = cells
    return document


def _parts(text: str) -> Iterator[str]:
    """Give a text in parts that begin with a heading; a comment in a block of code only looks like one."""
    lines: list[str] = []
    in_code = False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        if lines and not in_code and _HEADING.match(line):
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    yield "\n".join(lines)


def present(
    name: str, given: Mapping[str, str], *, port: int = 0, browser: bool = True, say: Callable[[str], object]
) -> None:
    """Show a notebook until the command is interrupted.

    Args:
        name: A path, a name, or the number of a notebook.
        given: Values by name, see `prepared`; the person in front of the screen plays the buyer where they do not say.
        port: 0 takes a free one.
        browser: Open the page in a browser.
        say: Is told where the page is.
    Raises:
        ConfigurationError: Voila is not installed, the port is in use, or a name or value is not usable.
    """
    (path,) = find_notebooks([name])
    check(path, given)
    values = ({"buyer": "you"} if "buyer" in inspect(path) else {}) | dict(given)
    try:
        from voila.app import Voila
    except ImportError:
        raise ConfigurationError(
            "Voila is not installed.", advice="Install the extra: pip install 'amazonpay-nb[demo]'."
        ) from None
    root = path.resolve().parents[1]
    # Where Voila looks for templates.
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(_TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    port = _free_port(port)
    config = _configuration(root, port, browser)
    show = with_pictures_from(steps(prepared(path, values)), path.resolve().parent, root)
    config.VoilaConfiguration.prelaunch_hook = lambda *_, **__: deepcopy(show)
    say(f"Presenting {path.stem}: http://127.0.0.1:{port}/ (stop with Ctrl-C)")

    class Presenter(Voila):  # type: ignore[misc]  # published without types
        """Voila, by names of this machine only: a page under another name for this address reads nothing."""

        def init_settings(self) -> Any:
            return super().init_settings() | {"allow_remote_access": known_as("")}

    Presenter.launch_instance([str(path.resolve())], config=config)


def _free_port(port: int) -> int:
    try:
        with closing(open_port(port)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used ({error.strerror}).", advice="Choose another, or 0 for a free one."
        ) from None


def _configuration(root: Path, port: int, browser: bool) -> Config:
    config = Config()
    config.Voila.update(ip="127.0.0.1", port=port, port_retries=0, open_browser=browser, root_dir=str(root))
    config.Voila.log_level = "ERROR"
    config.AsyncKernelManager.transport_encryption = "auto"
    # Cells run when the page is there, so a page of the shop is seen while the next cell waits for its buyer.
    config.VoilaConfiguration.update(template="presenter", progressive_rendering=True, show_tracebacks=True)
    # It needs JupyterLab's file browser, which is not part of Voila.
    config.VoilaConfiguration.extension_denylist = ["@jupyterhub/jupyter-server-proxy"]
    return config
