"""The judgements, a module a group; each is a function for a row of ``checks.toml``."""

from amazonpay_nb.rehearsal.checks import button, charge, notification, refund, request, set_up

__all__ = ["button", "charge", "notification", "refund", "request", "set_up"]
