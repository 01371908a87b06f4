"""Show a notebook to others: no code on the screen, one step after the other, everything on this machine.

Voila runs the notebook for each visitor in a kernel of its own, so "Start again" is a new run from the top.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

from traitlets.config import Config

from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.loopback import answers_to, open_port
from amazonpay_nb.runs.notebook import for_others, notebook_with, steps, with_pictures_from

_TEMPLATES = Path(__file__).parent / "templates"


def present(
    name: str, texts: Mapping[str, str], *, port: int = 0, browser: bool = True, say: Callable[[str], object]
) -> None:
    """Show a notebook until the command is interrupted.

    Args:
        name: A path, a name, or the number of a notebook.
        texts: Values by name, see `for_others`; the person in front of the screen plays the buyer unless they say
            otherwise.
        port: 0 takes a free one.
        browser: Open the page in a browser.
        say: Is called with a sentence that holds the page's address.
    Raises:
        ConfigurationError: Voila is not installed, the port is in use, or a name or value is not usable.
    """
    notebook = notebook_with(name, texts)
    path = notebook.path.resolve()
    values = ({"buyer": "you"} if "buyer" in notebook.parameters else {}) | dict(texts)
    try:
        from voila.app import Voila
    except ImportError:
        raise ConfigurationError(
            "Voila is not installed.", advice="Install the extra: pip install 'amazonpay-nb[demo]'."
        ) from None
    # Where Voila looks for templates.
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(_TEMPLATES), os.environ.get("JUPYTER_PATH")]))
    try:
        with closing(open_port(port)) as listener:
            port = int(listener.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} cannot be used ({error.strerror}).", advice="Choose another, or 0 for a free one."
        ) from None
    root = path.parents[1]
    config = Config()
    config.Voila.update(ip="127.0.0.1", port=port, port_retries=0, open_browser=browser, root_dir=str(root))
    config.Voila.log_level = "ERROR"
    config.AsyncKernelManager.transport_encryption = "auto"
    # Cells run when the page is there, so a page of the shop is visible while the next cell waits for its buyer.
    config.VoilaConfiguration.update(template="presenter", progressive_rendering=True, show_tracebacks=True)
    # It needs JupyterLab's file browser, which is not part of Voila.
    config.VoilaConfiguration.extension_denylist = ["@jupyterhub/jupyter-server-proxy"]
    show = with_pictures_from(steps(for_others(notebook, values)), path.parent, root)
    config.VoilaConfiguration.prelaunch_hook = lambda *_, **__: deepcopy(show)
    say(f"Presenting {path.stem}: http://127.0.0.1:{port}/ (stop with Ctrl-C)")

    class Presenter(Voila):  # type: ignore[misc]  # published without types
        """Voila, by names of this machine only: a page under another name for this address reads nothing."""

        def init_settings(self) -> Any:
            return super().init_settings() | {"allow_remote_access": answers_to("")}

    Presenter.launch_instance([str(path)], config=config)
