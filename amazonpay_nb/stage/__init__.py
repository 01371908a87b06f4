"""The stage: one screen on which a merchant understands, and what stays behind."""
