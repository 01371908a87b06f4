"""What each call does to the objects, and what the clock does to them; only `transitions` writes a state."""
