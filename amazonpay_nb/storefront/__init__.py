"""The merchant's side: a page with the button, the review page, and the addresses that the buyer comes back to."""

from amazonpay_nb.storefront.cart import Cart, Delivery, Line, delivery_specifications
from amazonpay_nb.storefront.shop import Storefront
from amazonpay_nb.storefront.visit import Arrival, Review, Visit

__all__ = ["Arrival", "Cart", "Delivery", "Line", "Review", "Storefront", "Visit", "delivery_specifications"]
