"""The judgements, a module a group; the functions are named like the rows of ``checks.toml``, or by them."""
