"""What a panel shows and which of its buttons are live, without Jupyter; see `viewmodels.panel` for the frame."""
