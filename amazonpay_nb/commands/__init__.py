"""The commands of ``amazonpay-nb``, a module a theme; `cli` puts them together."""
