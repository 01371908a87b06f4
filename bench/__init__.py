"""Benchmarks that print ratios: ``python -m bench`` (see README.md)."""
