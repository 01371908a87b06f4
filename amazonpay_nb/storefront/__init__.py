"""The merchant's side: a page with the button, and the addresses that the buyer comes back to."""

from amazonpay_nb.storefront.shop import Arrival, Storefront, Visit

__all__ = ["Arrival", "Storefront", "Visit"]
