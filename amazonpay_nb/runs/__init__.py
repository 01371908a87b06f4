"""Notebooks run without a person, and shown to one: runner, report, presenter and the page to leave behind."""
