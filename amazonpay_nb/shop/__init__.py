"""The merchant's side: a page with the button, the review page, and the addresses that the buyer comes back to."""

from amazonpay_nb.shop.attempt import Arrival, Attempt, Review
from amazonpay_nb.shop.cart import Cart, ShippingOption, delivery_specifications
from amazonpay_nb.shop.server import Shop

__all__ = ["Arrival", "Attempt", "Cart", "Review", "ShippingOption", "Shop", "delivery_specifications"]
