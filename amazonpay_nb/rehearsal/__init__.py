"""A merchant's own server under test: a rehearsal plays buyers and Amazon, and judges by the emulator's books."""
