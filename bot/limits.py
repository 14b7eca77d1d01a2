"""How much one chat and one address may ask for, in this process; who goes beyond is told, and staff hear of it.

Limits keep a script from trying numbers by the thousand and one person from taking the others' turn. They are wide: in
Indonesia thousands of phones share one address (carrier NAT).
"""

import ipaddress
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from bot.tasks import again_and_again
from domain.alarms import AlarmKind, raise_alarm

log = logging.getLogger(__name__)

FLUSH_SECONDS = 10.0
KNOWN = 200_000  # keys that are remembered; the longest silent are forgotten


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` at once, and as many again in ``seconds``."""

    count: int
    seconds: float


CHAT = Rate(60, 60)
FAILURES = Rate(60, 60)  # signatures and tokens of one address that did not fit


class Bucket:
    """Generic cell rate algorithm: one number a key, the time at which its bucket is empty again."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._each, self._burst = rate.seconds / rate.count, rate.seconds
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._clock = clock

    def take(self, key: str) -> float:
        """0.0 where there is room, which is taken; else the seconds until there is."""
        now = self._clock()
        at = max(self._full_at.get(key, now), now)
        wait = at + self._each - now - self._burst
        if wait > 0:
            return wait
        self._full_at[key] = at + self._each
        self._full_at.move_to_end(key)
        if len(self._full_at) > KNOWN:
            self._full_at.popitem(last=False)
        return 0.0


def address_of(request: web.Request, proxies: int) -> str:
    """Where a request comes from: the peer, or what the outermost of so many proxies of our own says of it.

    What stands further left in X-Forwarded-For anybody can write. Of IPv6 the network counts: a phone has all of a /64.
    """
    given = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",")]
    found = given[-proxies] if proxies and len(given) >= proxies else (request.remote or "")
    try:
        parsed = ipaddress.ip_address(found)
    except ValueError:
        return request.remote or ""
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else found


class Limits:
    """What this process has seen lately. ``run`` writes alarms down."""

    def __init__(
        self, now: Callable[[], datetime], requests_a_minute: int, new_chats_an_hour: int, proxies: int
    ) -> None:
        self._now, self._proxies = now, proxies
        self._chats, self._told = Bucket(CHAT), Bucket(Rate(1, CHAT.seconds))
        self._addresses = Bucket(Rate(requests_a_minute, 60))
        self._new = Bucket(Rate(new_chats_an_hour, 3600))
        self._failures = Bucket(FAILURES)
        self._alarms: Counter[tuple[AlarmKind, str]] = Counter()

    def chat(self, key: str) -> bool | None:
        """None where a chat may say something; else whether it is to be told so (once a minute)."""
        if not self._chats.take(key):
            return None
        self._alarms[AlarmKind.FLOOD, "chat"] += 1
        return not self._told.take(key)

    def new_chat(self, request: web.Request) -> bool:
        """Whether this address may begin one more chat."""
        if not self._new.take(address_of(request, self._proxies)):
            return True
        self._alarms[AlarmKind.NEW_CHATS, "page"] += 1
        return False

    def failed(self, edge: str) -> None:
        """A signature, token or key did not fit."""
        self._alarms[AlarmKind.FORGED, edge] += 1

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Requests of one address. What platforms send comes from few addresses and is signed: it is not counted, but
        what does not fit there is.
        """
        signed = request.path.startswith("/webhooks/")
        if not signed and (wait := self._addresses.take(address_of(request, self._proxies))):
            self._alarms[AlarmKind.FLOOD, "address"] += 1
            return _too_many(wait)
        response = await handler(request)
        if response.status in {401, 403}:
            self.failed(request.match_info.route.resource.canonical if request.match_info.route.resource else "?")
            if signed and (wait := self._failures.take(address_of(request, self._proxies))):
                return _too_many(wait)
        return response

    async def run(self) -> None:
        """Write alarms down until cancelled."""
        await again_and_again("alarms", self.flush, lambda: FLUSH_SECONDS)

    async def flush(self) -> None:
        """Write down what has come together."""
        seen, self._alarms = self._alarms, Counter()
        for (kind, subject), count in seen.items():
            await raise_alarm(kind, subject, self._now(), count)


def _too_many(wait: float) -> web.Response:
    headers = {"Retry-After": str(int(wait) + 1), "Cache-Control": "no-store"}
    body = '{"error":{"code":"too_many","message":"too many requests; try again later"}}'
    return web.Response(status=429, text=body, content_type="application/json", headers=headers)
