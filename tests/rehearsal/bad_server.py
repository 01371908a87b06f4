"""A server that nothing can be rehearsed with; the first argument is its port, the second says what is wrong."""

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[2]
NOTHING = "<p>Nothing to press."
PAGES = {
    "streams": f"{NOTHING}<script>new EventSource('/news')</script>",
    "asks on": NOTHING + "<script>const ask = () => fetch('/').then(ask); for (let i = 0; i < 20; i++) ask()</script>",
    "computes": NOTHING
    + "<script>addEventListener('DOMContentLoaded', () => setTimeout(() => { for (;;); }))</script>",
    "asks elsewhere at /account": "<button class=amazon-pay-button>Buy</button>",
    "computes at a click": '<button class=amazon-pay-button onclick="for (;;);">Buy</button>',
    "complains": NOTHING + "<script>setInterval(() => { for (let i = 0; i < 2000; i++) console.log('x') })</script>",
    "throws": NOTHING + "<script>setInterval(() => { for (let i = 0; i < 2000; i++) reportError('x') })</script>",
    "commands a terminal": NOTHING
    + "<script>console.error('\\x1b]52;c;ZXZpbA==\\x07 and \\u202e\\n\\u3000::add-mask::##[x]##vso[y]')</script>",
    "tells a secret": NOTHING + """<script>console.error('\x1b[36m"password"\x1b[0m: "canary"')</script>""",
    "hoards": NOTHING
    + """<script>
      const all = [];
      try {
        while (all.length < 24) all.push(new Uint8Array(64 << 20));
        console.error("it has one and a half gigabytes");
      } catch (error) { console.error(`it has less than a gigabyte: ${all.length < 16}, ${error}`) }
    </script>""",
    "downloads": NOTHING + "<a href=/file download>File</a><script>document.links[0].click()</script>",
    "calls": NOTHING
    + """<script>
      const call = new RTCPeerConnection({iceServers: [{urls: `stun:${location.hostname}:${location.port}`}]});
      call.createDataChannel("x");
      call.createOffer().then((offer) => call.setLocalDescription(offer));
    </script>""",
    "loads Amazon's script": '<script src="https://static-na.payments-amazon.com/checkout.js"></script>',
}


UNREADY = threading.Event()
if MODE.startswith("asks elsewhere"):
    import httpx


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wallet = self.path.startswith("/wallet")
        if wallet and MODE == "dies":
            print("out of memory", flush=True)
            os._exit(7)
        if wallet and MODE == "slow":
            time.sleep(30)
        if f"asks elsewhere at {self.path}" == MODE:
            try:
                httpx.get("https://prices.example/today", timeout=300)
            except httpx.HTTPError as error:
                print(type(error).__name__, flush=True)
        if wallet and MODE in ("redirects", "signs in elsewhere"):
            leads = {"redirects": f"/wallet?{self.path.count('x') * 'x'}x"}
            self.answer(302, "", location=leads.get(MODE, "https://login.shop.test/start"))
        elif (wallet and MODE == "has no page") or self.path == "/favicon.ico":
            self.answer(404, "")
        elif MODE in ("is never ready", "leads into an app"):
            self.answer_as_if_it_began()
        elif MODE == "never ends its head":
            self.answer_with_an_endless_head()
        elif self.path in ("/news", "/file") or MODE == "never ends its answer":
            self.answer_without_end()
        else:
            self.answer(200, PAGES.get(MODE, NOTHING) if wallet else NOTHING)

    def do_POST(self) -> None:
        """Print 110 MB, and answer how much of it a file holds."""
        for _ in range(1000):
            print("\n".join(["many words " * 100] * 100))
        print("the end", flush=True)
        self.answer(200, str(os.fstat(sys.stdout.fileno()).st_size))

    def answer_as_if_it_began(self) -> None:
        if MODE == "leads into an app":
            self.answer(302, "", location="myapp:done")
        elif UNREADY.is_set():
            time.sleep(30)
        else:
            UNREADY.set()
            self.answer(503, "")

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
        try:
            while True:  # until the client has gone
                self.wfile.write(b"data: news\n\n" * 10_000)
                time.sleep(0.02)
        finally:
            print(f"the client of {self.path} has gone", flush=True)

    def answer_with_an_endless_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            self.wfile.write(b"x")
            time.sleep(0.1)

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()

    def log_message(self, *_: object) -> None:
        pass


if MODE == "goes to the background":
    parent = os.getpid()
    if os.fork():
        os._exit(0)
    os.setsid()
    while os.getppid() == parent:  # so that nobody gets an answer before that
        time.sleep(0.01)
if MODE == "ends at once":
    print("the database is missing, password=hunter2-hunter2", flush=True)
    sys.exit(3)
if MODE == "calls":
    calls = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    calls.bind(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=lambda: print(f"called by {calls.recvfrom(99)[1]}", flush=True), daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever(0.05)
