"""What the package offers, pinned: a name that comes or goes is a decision."""

import importlib
import subprocess
import sys

import amazonpay_nb


def test_the_package_offers_these_names() -> None:
    """They are sorted, and each one is there."""
    assert amazonpay_nb.__all__ == [
        "AmazonPayAuth", "AmazonPayClient", "Emulator", "MerchantKeys", "errors", "show", "signing", "workbench",
    ]  # fmt: skip
    assert all(getattr(amazonpay_nb, name) for name in amazonpay_nb.__all__)
    assert not hasattr(amazonpay_nb, "nothing")


def test_importing_the_package_loads_nothing_heavy() -> None:
    """pandas, ipywidgets and starlette load when they are used."""
    heavy = {"pandas", "ipywidgets", "starlette", "uvicorn", "httpx", "cryptography", "papermill", "IPython"}
    code = f"import amazonpay_nb, sys; print({heavy!r} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_client_needs_no_emulator() -> None:
    """A server that only sends requests does not load a web framework or a table library."""
    heavy = {"pandas", "ipywidgets", "starlette", "uvicorn", "jinja2", "papermill", "IPython"}
    code = f"import amazonpay_nb.client.client, sys; print({heavy!r} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_python_contract_is_there() -> None:
    """The names that other programs import."""
    for module, names in {
        "workbench": ["open"],
        "emulator": ["Emulator"],
        "client": ["AmazonPayClient", "AmazonPayAuth"],
        "signing": ["verify_request", "verify_payload", "SignatureMismatch"],
        "testing": ["amazonpay_buyer", "amazonpay_client", "amazonpay_clock", "amazonpay_emulator"],
    }.items():
        loaded = importlib.import_module(f"amazonpay_nb.{module}")
        assert all(hasattr(loaded, name) for name in names)
