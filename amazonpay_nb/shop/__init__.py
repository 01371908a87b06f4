"""The merchant's side: a page with the button, the review page, and the addresses that the buyer comes back to."""

from amazonpay_nb.shop.attempt import Arrival, Review, Visit
from amazonpay_nb.shop.cart import Cart, Delivery, Line, delivery_specifications
from amazonpay_nb.shop.server import Storefront

__all__ = ["Arrival", "Cart", "Delivery", "Line", "Review", "Storefront", "Visit", "delivery_specifications"]
