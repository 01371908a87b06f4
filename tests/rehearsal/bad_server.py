"""A server that nothing can be rehearsed with; the first argument is its port, the second says what is wrong."""

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

MODE = sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wallet = self.path.startswith("/wallet")
        if wallet and MODE == "dies":
            print("out of memory", flush=True)
            os._exit(7)
        if wallet and MODE == "slow":
            time.sleep(30)
        if wallet and MODE == "asks elsewhere":
            try:
                httpx.get("https://prices.example/today")
            except httpx.HTTPError as error:
                print(type(error).__name__, flush=True)
        if wallet and MODE == "redirects":
            self.answer(302, "", location=f"/wallet?{self.path.count('x') * 'x'}x")
        elif wallet and MODE == "has no page":
            self.answer(404, "")
        elif MODE == "is never ready":
            self.answer(503, "")
        elif MODE == "loads Amazon's script":
            self.answer(200, '<script src="https://static-na.payments-amazon.com/checkout.js"></script>')
        else:
            self.answer(200, "<p>Nothing to press.")

    def answer(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


if MODE == "ends at once":
    print("the database is missing, password=hunter2-hunter2", flush=True)
    sys.exit(3)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever(0.05)
