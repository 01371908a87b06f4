"""The judgements, a module a group; each is a function for a row of ``checks.toml``."""

from amazonpay_nb.rehearsal.checks import charge, set_up

__all__ = ["charge", "set_up"]
