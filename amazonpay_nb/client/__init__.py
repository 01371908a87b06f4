"""The merchant's server side, usable without notebooks: signed requests, and what their answers mean."""

from amazonpay_nb.client.auth import AmazonPayAuth, new_idempotency_key
from amazonpay_nb.client.client import AmazonPayClient

__all__ = ["AmazonPayAuth", "AmazonPayClient", "new_idempotency_key"]
