"""Starts and stops an emulator, in a thread of this process or as the process itself."""

import json
import secrets
import sqlite3
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic.alias_generators import to_camel

from amazonpay_nb.emulator.app import build_app
from amazonpay_nb.emulator.clock import FIRST_YEAR, LAST_YEAR
from amazonpay_nb.emulator.control import CONTROL_PATH
from amazonpay_nb.emulator.notifications.announce import topic_of
from amazonpay_nb.emulator.records import Merchant
from amazonpay_nb.emulator.remote import ClockControl, Control
from amazonpay_nb.emulator.rules.sessions import PROCESSING, refresh
from amazonpay_nb.emulator.store import Store, unusable
from amazonpay_nb.emulator.store_file import REAL_TIME, check_owner
from amazonpay_nb.emulator.world import World
from amazonpay_nb.loopback import LoopbackServer, open_port, serve, stays_inside
from amazonpay_nb.signing.keys import MerchantKeys, generate, load, save, with_id, write_file
from amazonpay_nb.spec.addresses import LOOPBACK_HOSTS, checked_endpoint, host_of
from amazonpay_nb.spec.flows import CHECKOUT_SESSION
from amazonpay_nb.spec.notifications import CERTIFICATE_HOSTS, hosts_of
from amazonpay_nb.spec.regions import region as region_of
from amazonpay_nb.temporary import TemporaryFolder

if TYPE_CHECKING:
    import trustme

_GLANCE_SECONDS = 1.0  # whether the server has ended by itself; a signal is heard at once


@dataclass(frozen=True)
class Credentials:
    """A merchant after "Get set up": account, store, and a key pair with two ids."""

    merchant_id: str
    store_id: str
    public_key_id: str
    neutral_public_key_id: str
    private_key_file: Path
    keys: MerchantKeys = field(compare=False)

    def facts(self) -> dict[str, str]:
        """Return the credentials in the names of a ready file."""
        return {to_camel(one.name): str(getattr(self, one.name)) for one in fields(self) if one.compare}


@cache
def _pair(name: str) -> MerchantKeys:
    return generate()  # takes as long as fifty requests: the emulators in this process's memory share it


class Emulator:
    """An emulated Amazon Pay.

    Args:
        region: ``na``, ``eu`` or ``jp``.
        seed: Makes ids repeat, and time virtual.
        start: Virtual time to start from.
        real_time: Let time pass even with a seed.
        store: A file that outlives the process; in memory when left out.  It goes on with its seed and its clock.
        https: Serve HTTPS with an own authority; see `ca_file`.
        port: 0 takes a free one.
        domains: Hosts that may show a button, besides loopback and ``*.example``.
        throttle: Apply the documented quotas.
        shop_name: What hosted pages call the shop of a new world.
        proxy: Be a forward proxy for Amazon's hosts as well; see `open_proxy`, `proxy_url` and `proxy_ca_file`.
        notify: Send the main merchant's notifications to this address of this machine.
        world: What a new world holds: a world file, or the same as a mapping; docs/worlds.md.
        in_process: Answer inside this process alone, without sockets; as AMAZONPAY_NB_IN_PROCESS says when left out.
    Attributes:
        merchant_id, store_id, topic_arn: Of the main merchant account, and of the topic of its notifications.
    Raises:
        OSError: The port is in use.
        ValueError: The region, host, address, store, start or world cannot be used; the message says why.
    """

    def __init__(
        self, region: str = "na", seed: int | None = None, *, start: datetime | None = None, real_time: bool = False,
        store: str | Path | None = None, https: bool = False, host: str = "127.0.0.1", port: int = 0,
        domains: tuple[str, ...] = (), throttle: bool = False, shop_name: str = "Emulated Shop", proxy: bool = False,
        notify: str | None = None, world: str | Path | Mapping[str, Any] | None = None, in_process: bool | None = None,
    ) -> None:  # fmt: skip
        row = region_of(region)
        self.region = row.code
        checked_endpoint(notify)
        for domain in domains:
            if not domain or host_of(domain) != domain.lower():
                raise ValueError(f"{domain!r} is no domain: write its host alone, such as shop.example.com")
        if start and not FIRST_YEAR <= start.year <= LAST_YEAR:
            raise ValueError(f"virtual time starts in the years {FIRST_YEAR} to {LAST_YEAR}, not in {start.year}")
        self.in_process = stays_inside(in_process, needs_socket=https or proxy or port or host != "127.0.0.1")
        # The port first: the store stays untouched if the address is unavailable.
        listener = None if self.in_process else open_port(port, host)
        self._folder = TemporaryFolder()
        self.folder = Path(f"{store}.keys").absolute() if store else self._folder.path
        with ExitStack() as undo:
            undo.enter_context(listener or nullcontext())
            undo.callback(self._folder.close)
            try:
                began = REAL_TIME if real_time else start and start.astimezone(UTC).isoformat()
                place = str(Path(store).absolute()) if store else ":memory:"  # a file may have that name, too
                kept = Store(place, region=row.code, seed=seed, start=began)
                undo.callback(kept.discard)
                file = None
                if world is not None and kept.is_new:  # an older store goes on with what it has
                    from amazonpay_nb.emulator.world_file import read_world
                    from amazonpay_nb.emulator.worlds import load as load_world

                    file = read_world(Path(world) if isinstance(world, str) else world)
                    start = start or (None if real_time else file.rows.clock)
                with kept.transaction():  # all of a start or nothing: a store that is half begun would seem older
                    self._world = World(
                        kept, row, seed=seed, start=start, real_time=real_time, domains=domains, throttle=throttle,
                        shop_name=shop_name, accounts=file.rows.merchants if file else (),
                    )  # fmt: skip
                    self._accounts = [*self._world.merchants.values()]
                    if file:
                        load_world(self._world, file, start)
                    if notify:
                        self._world.set_endpoint(self._accounts[0], notify)
                token = secrets.token_urlsafe(24)
                self._server = serve(
                    build_app(self._world, token, drop=lambda client: self._server.drop(client)),
                    in_process=self.in_process, host=host, listener=listener,
                    certificate=self._certificate("server.pem") if https else None,
                )  # fmt: skip
                self.url = self._world.url = self._server.url
                with kept.transaction():  # where a buyer was to go on, another process may have had another port
                    for session in [one for one in kept.every(CHECKOUT_SESSION, PROCESSING) if one.state == "Open"]:
                        refresh(self._world, session)
            except sqlite3.Error as error:
                raise ValueError(unusable(store, error)) from error
            undo.pop_all()
        self.merchant_id, self.store_id = self._accounts[0].merchant_id, self._accounts[0].store_id
        self.topic_arn = topic_of(self._world, self.merchant_id)
        self._world.sns_url = f"https://{CERTIFICATE_HOSTS[row.code]}" if proxy else self.url
        self.ca_file = self._folder.path / "ca.pem" if https else None
        self.proxy_url: str | None = None
        self.proxy_ca_file: Path | None = None
        self.refused_hosts, self._opening = set[str](), threading.Lock()
        if proxy:
            self.open_proxy()
        # Without HTTPS there is no certificate to trust, and reading the machine's takes longer than a request.
        self.verify = ssl.create_default_context(cafile=self.ca_file) if https else ssl.SSLContext(PROTOCOL_TLS_CLIENT)
        self.control = Control(f"{self.url}{CONTROL_PATH}", token, self.verify)
        self.clock = ClockControl(self.control)

    @cached_property
    def _authority(self) -> "trustme.CA":
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(self._folder.path / "ca.pem")
        return authority

    def _certificate(self, name: str, *hosts: str) -> str:
        issued, path = self._authority.issue_cert(*LOOPBACK_HOSTS, *hosts), self._folder.path / name
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        # At the end of the chain, a browser that knows its fingerprint recognizes it.
        self._authority.cert_pem.write_to_path(path, append=True)
        path.chmod(0o600)
        return str(path)

    def open_proxy(self) -> None:
        """Be a proxy for Amazon's hosts from now on, unless it is one already; notifications stay as they are."""
        with self._opening:
            if self.proxy_url is None:
                self.refused_hosts, self.proxy_url = self._open_door(proxy=True)
                self._world.proxy_url, self.proxy_ca_file = self.proxy_url, self._folder.path / "ca.pem"

    def open_watch(self) -> str:
        """Note what is asked of the proxy whose address is returned, as `refused_hosts`; nothing else changes."""
        with self._opening:
            self.refused_hosts, url = self._open_door(proxy=True)
            return url

    def open_hosts(self) -> str:
        """Be Amazon's hosts themselves for a browser that looks for them at the address that is returned."""
        with self._opening:
            return self._open_door(proxy=False)[1]

    def _open_door(self, *, proxy: bool) -> tuple[set[str], str]:
        if not isinstance(self._server, LoopbackServer):
            raise ValueError("a proxy needs a socket; go without in_process")
        from amazonpay_nb.emulator.proxy import open_door

        row = region_of(self.region)
        certificate = self._certificate("proxy.pem", *hosts_of(row))
        door, refused, url = open_door(row, certificate, str(urlsplit(self.url).hostname), proxy=proxy)
        self._server.open(door)
        return refused, url

    def start(self) -> Self:
        """Answer in a thread, unless it does so already."""
        self._check_open()
        if not self._server.running:
            self._server.start()
        return self

    def _check_open(self) -> None:
        if not self._folder.close.alive:
            raise ValueError("this emulator was stopped, and its data and keys are gone; start another one")

    def run(self) -> None:
        """Answer until the process is asked to end."""
        with self:
            while self._server.running:
                time.sleep(_GLANCE_SECONDS)

    def stop(self) -> None:
        """Stop answering; in-memory data is lost."""
        self.control.close()
        self._server.stop()
        if not self._server.running:  # it may never have started, and closes its store itself when it ends
            self._world.store.close()
        self._folder.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @cached_property
    def merchant(self) -> Credentials:
        """The merchant account, with a key pair that is made on first use and kept beside a file store."""
        return self._credentials(self._accounts[0], "merchant.pem")

    @cached_property
    def other_merchant(self) -> Credentials:
        """A second account, to show that merchants do not see each other's objects."""
        return self._credentials(self._accounts[1], "other-merchant.pem")

    def _credentials(self, merchant: Merchant, file_name: str) -> Credentials:
        self._check_open()
        path = self.folder / file_name
        with self._opening:  # whose threads may want them at once
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for place in (self.folder, path):  # again: somebody may have made it since the store was examined
                check_owner(place)
            if path.exists():
                pair = load(path, "")
            else:
                pair = generate() if self.folder != self._folder.path else _pair(file_name)
                save(pair, path)
        key_id = self.register_key(pair.public_pem, merchant)
        neutral = key_id.removeprefix("SANDBOX-")
        return Credentials(merchant.merchant_id, merchant.store_id, key_id, neutral, path, with_id(pair, key_id))

    def register_key(self, public_pem: str, merchant: Merchant | None = None) -> str:
        """Register a public key, as Seller Central does, and return its environment-specific id."""
        merchant = merchant or self._accounts[0]
        if public_pem not in merchant.keys.values():
            if self._server.running:  # only the emulator's own thread may change its data
                self.control.post("keys", publicKey=public_pem, merchantId=merchant.merchant_id)
            else:
                self._world.register_key(merchant, public_pem)
        return next(name for name, pem in merchant.keys.items() if pem == public_pem and name.startswith("SANDBOX-"))

    def ready(self) -> dict[str, Any]:
        """Return what a program needs to use this emulator, as design §4.1 and §4.7 list it."""
        other = self.other_merchant.facts()
        del other["neutralPublicKeyId"]
        proxy = {"proxyUrl": self.proxy_url, "proxyCaFile": str(self.proxy_ca_file)} if self.proxy_url else {}
        return {
            "url": self.url,
            "caFile": str(self.ca_file) if self.ca_file else None,
            "region": self.region,
            **self.merchant.facts(),
            "controlUrl": self.control.url,
            "controlToken": self.control.token,
            "otherMerchant": other,
            **proxy,
        }

    def write_ready_file(self, path: Path) -> None:
        """Write `ready` so that a reader never sees half of it, readable by its owner alone."""
        write_file(path, json.dumps(self.ready(), indent=2).encode(), mode=0o600, overwrite=True)

    @property
    def certificate_url(self) -> str:
        """The address of the certificate of notifications."""
        return self._world.certificate_url

    def sign_notification(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """Return an envelope with the signature of this emulator's notification service, whatever it says."""
        return self._world.outbox.signer.sign(envelope)

    def queue_outcome(self, operation: str, simulation_code: str, times: int = 1) -> None:
        """Let the next *times* calls of *operation* end as a simulation code says."""
        self.control.post("outcomes", operation=operation, simulationCode=simulation_code, times=times)

    def inject_fault(
        self, operation: str, fault: str, *, status: int = 503, seconds: float = 1.0, times: int = 1
    ) -> None:
        """Let the next calls meet ``reset`` (before the work), ``drop-after-commit``, ``delay`` or ``status``."""
        self.control.post("faults", operation=operation, fault=fault, status=status, seconds=seconds, times=times)

    outcomes, faults = queue_outcome, inject_fault  # the short names

    def snapshot(self) -> str:
        """Take a snapshot and return its id."""
        return str(self.control.post("snapshot")["id"])

    def restore(self, snapshot: str, *, keep: bool = True, accounts: bool = False) -> None:
        """Put a copy back, with names and endpoints if *accounts*, and forget it unless it is to be kept."""
        self.control.post("restore", id=snapshot, keep=keep, accounts=accounts)

    def reset(self) -> None:
        """Delete all objects; merchants, keys and clock stay."""
        self.control.post("reset")
