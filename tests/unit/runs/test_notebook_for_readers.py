"""A finished notebook for people who do not run it."""

from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from amazonpay_nb.runs.notebook import for_readers, settings_of

FIRST = """# A chapter

> It does something.

**Time:** 5 minutes · **Before:** nothing

The next cell pays.
It is paid once.
Predict the state.

| cell | meaning |
|---|---|
| [kernel](x) | stays, as part of a table |

```python
cell = "stays, as part of a program"
```

This is a picture of it:

![The shop's page](../docs/images/shop-page.png)

![What a cell sends](../docs/images/set-up-outside.svg)
"""
LAST = """## What we now hold

A wallet.

## Exercises

The cells below check your answers.

### 1. Again

Pay again."""


def texts(document: Any) -> str:
    return "\n\n".join(cell.source for cell in document.cells)


@pytest.fixture
def document() -> Any:
    cells = [new_markdown_cell(FIRST), new_code_cell("pay()"), new_markdown_cell(LAST), new_code_cell("exercise()")]
    return new_notebook(cells=[*cells, new_markdown_cell("## The end\n\nNothing else.")])


def test_what_speaks_to_who_runs_it_is_left_out(document: Any) -> None:
    """Sentences about cells, what to predict, and all of the exercises; tables and programs stay whole."""
    left = texts(for_readers(document, pictures=True))
    assert "It is paid once." in left
    for gone in ("Time:", "The next cell", "Predict", "Exercises", "Again", "Pay again", "exercise()"):
        assert gone not in left
    for kept in (
        'cell = "stays',
        "| cell | meaning |",
        "stays, as part of a table",
        "pay()",
        "## The end",
        "A wallet.",
    ):
        assert kept in left


@pytest.mark.parametrize("pictures", [True, False])
def test_a_picture_of_a_page_goes_with_its_sentence(document: Any, pictures: bool) -> None:
    """Where it would show another shop; a picture without a shop in it stays."""
    left = texts(for_readers(document, pictures=pictures))
    assert ("shop-page.png" in left, "This is a picture of it:" in left) == (pictures, pictures)
    assert "set-up-outside.svg" in left


def test_settings_are_those_of_the_first_workbench() -> None:
    """Parameters, as papermill has changed them, and what is written where it is opened; a magic does not hurt."""
    cells = [
        new_code_cell('region: str = "na"  # or another', metadata={"tags": ["parameters"]}),
        new_code_cell('region = "eu"', metadata={"tags": ["injected-parameters"]}),
        new_code_cell("%time workbench.open("),
        new_code_cell("wb = workbench.open(region, amount=amount, merchant_name='Corner Shop')"),
        new_code_cell("other = workbench.open(region='jp', merchant_name='Another')"),
    ]
    assert settings_of(new_notebook(cells=cells)) == {"region": "eu", "merchant_name": "Corner Shop"}
