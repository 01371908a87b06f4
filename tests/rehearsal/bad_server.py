"""A server that nothing can be rehearsed with; the first argument is its port, the second says what is wrong."""

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

MODE = sys.argv[2]
NOTHING = "<p>Nothing to press."
PAGES = {
    "streams": f"{NOTHING}<script>new EventSource('/news')</script>",
    "asks on": NOTHING + "<script>const ask = () => fetch('/').then(ask); for (let i = 0; i < 20; i++) ask()</script>",
    "computes": NOTHING
    + "<script>addEventListener('DOMContentLoaded', () => setTimeout(() => { for (;;); }))</script>",
    "computes at a click": '<button class=amazon-pay-button onclick="for (;;);">Buy</button>',
    "loads Amazon's script": '<script src="https://static-na.payments-amazon.com/checkout.js"></script>',
}


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
        elif self.path == "/news" or MODE == "never ends its answer":
            self.answer_without_end()
        else:
            self.answer(200, PAGES.get(MODE, NOTHING) if wallet else NOTHING)

    def answer(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def answer_without_end(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        while True:  # until the client has gone
            self.wfile.write(b"data: news\n\n" * 10_000)
            time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        pass


if MODE == "ends at once":
    print("the database is missing, password=hunter2-hunter2", flush=True)
    sys.exit(3)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever(0.05)
