"""Instant notifications: what is announced, and how it reaches the merchant's endpoint."""
