"""The hosted pages: plain HTML forms that a person clicks and a script submits."""
