"""The API over HTTP: a request is authenticated, checked and answered; what a call means is in `emulator.rules`."""
