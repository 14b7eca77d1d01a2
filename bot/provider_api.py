"""What training providers' systems call: the programme's partner protocol, and attendance and completion beside it.

``POST /api/v1/integration/payment/redeem-code/{status,commit,attendance,completion}``, signed as docs/providers.md
says; ``GET /api/openapi.json`` describes it.
"""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from tortoise.transactions import in_transaction

from bot.web import UNREADABLE, guarded, limited_body
from domain.errors import DomainError
from domain.trainings import redemption
from domain.trainings.redemption import CERTIFICATE_LENGTH, MAX_SEQUENCE, POST_TEST, Redeemable
from models.enums import PurchaseStatus

log = logging.getLogger(__name__)

ROOT = "/api/v1/integration/payment/redeem-code"
KEYS_SECONDS = 1.0
WINDOW_SECONDS = 300  # that a timestamp may be off, either way
MAX_BYTES = 8_192
CALLS = RateLimitItemPerSecond(50)  # of one client, by each process
FAILURES = RateLimitItemPerMinute(60)  # of one address without a good signature
NOBODY = (0, "as long as a key is: 43 characters, no more", None)  # an unknown client costs as much time as a known
DIGESTS = {40: hashlib.sha1, 64: hashlib.sha256}  # by the length of the signature in hexadecimal
STATUS = {
    "unreadable": (400, "The body is not JSON with the fields of this call."),
    "invalid_signature": (401, "client_code, timestamp and signature do not fit: see docs/providers.md."),
    "timestamp_off": (401, "The timestamp is more than 5 minutes off: check your clock, unix seconds are expected."),
    "unknown_code": (404, "There is no such redeem code of yours. Let the participant read it out again."),
    "not_redeemed": (409, "This redeem code was not committed yet: call commit first."),
    "cancelled_code": (410, "The participant took this purchase back: the code is no longer good."),
    "too_large": (413, "The body is too large."),
    "too_many": (429, "Too many calls: wait a moment and try again."),
}


class CodeCall(msgspec.Struct):
    """status: is the code good and unused? ``sequence``: the session that is asked for, 999 the last test."""

    redeem_code: str
    sequence: int = 1


class CommitCall(msgspec.Struct):
    """commit: use the code. Doing it again gives the same answer."""

    redeem_code: str


class AttendanceCall(msgspec.Struct):
    """attendance: the participant was at this session."""

    redeem_code: str
    sequence: int


class CompletionCall(msgspec.Struct):
    """completion: progress in percent, which only rises; at 100 the training is finished. ``score`` from 0 to 100."""

    redeem_code: str
    progress: int
    certificate_number: str = ""
    score: float | None = None


class CodeData(msgspec.Struct):
    """A purchase as its provider sees it. ``status`` 0 unused, 1 used; ``attendance_status`` of the session."""

    redeem_code: str
    course_code: str
    invoice_code: str
    schedule_code: str
    status: int
    attendance_status: int
    redeem_at: str
    dp_platform: str
    progress: int
    finished_at: str
    certificate_number: str


class Answer(msgspec.Struct):
    """What a call that worked is answered with."""

    success: bool
    message: str
    data: CodeData


class Refusal(msgspec.Struct):
    """What any other call is answered with."""

    success: bool
    code: str
    message: str


class RefusedError(Exception):
    """A call that is not taken, by a code of STATUS."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code, self.message = code, message


def signature(digest: Callable[..., Any], key: bytes, client: str, timestamp: str, path: str, body: bytes) -> str:
    """HMAC in hexadecimal over client code, timestamp, method, path and body, one after the other."""
    return hmac.new(key, f"{client}{timestamp}POST{path}".encode() + body, digest).hexdigest()


def compact(body: bytes) -> bytes | None:
    """A JSON body without spaces, as many clients sign it while they send it with them; None where it is none."""
    try:
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None


class ProviderApi:
    """The routes, for all providers."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._keys: dict[str, list[tuple[int, str, datetime | None]]] = {}
        self._keys_until = 0.0

    def add_routes(self, app: web.Application) -> None:
        """Add them."""
        for name, do in (
            ("status", self._status),
            ("commit", self._commit),
            ("attendance", self._attendance),
            ("completion", self._completion),
        ):
            app.router.add_post(f"{ROOT}/{name}", guarded(self._answering(name, do)))
        app.router.add_get("/api/openapi.json", guarded(self._openapi))

    def _answering(
        self, name: str, do: Callable[[int, bytes], Awaitable[Redeemable]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            client = "-"
            try:
                body = await _body(request)
                provider_id, client = await self._caller(request, body)
                data = data_of(await do(provider_id, body))
                status, content = 200, msgspec.json.encode(Answer(success=True, message="OK", data=data))
            except DomainError as error:
                status, content = _refusal(error.code.removeprefix("partner."))
            except RefusedError as error:
                status, content = _refusal(error.code, error.message)
            log.info("partner %s: %s %d", client, name, status)
            headers = {"Retry-After": "1"} if status == 429 else {}
            return web.Response(body=content, status=status, content_type="application/json", headers=headers)

        return handle

    async def _caller(self, request: web.Request, body: bytes) -> tuple[int, str]:
        """Provider and client code of a call whose signature is good."""
        client = request.headers.get("client_code", "")[:64]
        timestamp, given = request.headers.get("timestamp", ""), request.headers.get("signature", "").lower()
        readable = client.isascii() and timestamp.isascii() and given.isascii()
        # The same work for a client that there is and for one that there is not: two signatures at least.
        now = self._clock()
        known = (await self._all_keys()).get(client) or [NOBODY]
        keys = [(provider_id, key) for provider_id, key, until in known if until is None or until > now] or [NOBODY[:2]]
        found = 0
        for provider_id, key in (keys * 2)[: max(2, len(keys))]:
            if readable and _signed(key.encode(), client, timestamp, request.path, body, given):
                found = provider_id
        if not found:  # only failures are limited by address: behind a proxy all providers share one
            fine = self._limiter.hit(FAILURES, request.remote or "")
            raise RefusedError("invalid_signature" if fine else "too_many")
        # After the signature: who can't sign learns nothing of our clock.
        if not timestamp.isdigit() or abs(self._clock().timestamp() - int(timestamp[:12])) > WINDOW_SECONDS:
            raise RefusedError("timestamp_off")
        if not self._limiter.hit(CALLS, client):
            raise RefusedError("too_many")
        return found, client

    async def _all_keys(self) -> dict[str, list[tuple[int, str, datetime | None]]]:
        """Keys by client code, read a second ago at most: a look-up a call would tell by its time who is known."""
        if time.monotonic() >= self._keys_until:
            self._keys, self._keys_until = await redemption.all_keys(), time.monotonic() + KEYS_SECONDS
        return self._keys

    async def _status(self, provider_id: int, body: bytes) -> Redeemable:
        call = _read(body, CodeCall)
        return await redemption.look_up(provider_id, call.redeem_code, _sequence(call.sequence))

    async def _commit(self, provider_id: int, body: bytes) -> Redeemable:
        call = _read(body, CommitCall)
        async with in_transaction():
            return await redemption.commit(provider_id, call.redeem_code, self._clock())

    async def _attendance(self, provider_id: int, body: bytes) -> Redeemable:
        call = _read(body, AttendanceCall)
        async with in_transaction():
            return await redemption.attend(provider_id, call.redeem_code, _sequence(call.sequence), self._clock())

    async def _completion(self, provider_id: int, body: bytes) -> Redeemable:
        call = _read(body, CompletionCall)
        certificate = " ".join(call.certificate_number.split())
        if not 0 <= call.progress <= 100:
            raise RefusedError("unreadable", "progress is a whole number from 0 to 100.")
        if call.score is not None and not 0 <= call.score <= 100:
            raise RefusedError("unreadable", "score is a number from 0 to 100.")
        if len(certificate) > CERTIFICATE_LENGTH or not certificate.isprintable():
            raise RefusedError("unreadable", f"certificate_number has at most {CERTIFICATE_LENGTH} letters.")
        async with in_transaction():
            return await redemption.complete(
                provider_id, call.redeem_code, call.progress, certificate, call.score, self._clock()
            )

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(openapi()), content_type="application/json")


def _signed(key: bytes, client: str, timestamp: str, path: str, body: bytes, given: str) -> bool:
    digest = DIGESTS.get(len(given), hashlib.sha1)
    good = False
    for signed in {body, compact(body) or body}:
        expected = signature(digest, key, client, timestamp, path, signed)
        good |= hmac.compare_digest(expected.encode(), given.encode())
    return good


async def _body(request: web.Request) -> bytes:
    try:
        body = await limited_body(request, MAX_BYTES)
    except UNREADABLE:
        raise RefusedError("unreadable") from None
    if len(body) > MAX_BYTES:
        raise RefusedError("too_large")
    return body


def _read(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a ValidationError is one, too
        raise RefusedError("unreadable") from None


def _sequence(number: int) -> int:
    if not 1 <= number <= MAX_SEQUENCE and number != POST_TEST:
        raise RefusedError("unreadable", f"sequence is 1 to {MAX_SEQUENCE}, or {POST_TEST} for the final test.")
    return number


def _refusal(code: str, message: str = "") -> tuple[int, bytes]:
    status, words = STATUS[code]
    return status, msgspec.json.encode(Refusal(success=False, code=code, message=message or words))


def data_of(found: Redeemable) -> CodeData:
    """A purchase in the shape of the API."""
    purchase = found.purchase
    return CodeData(
        redeem_code=purchase.code,
        course_code=found.course_code,
        invoice_code=f"GLB-{purchase.id}",
        schedule_code=f"{found.course_code}-{purchase.training_version}",
        status=0 if purchase.status == PurchaseStatus.BOUGHT else 1,
        attendance_status=int(found.attended),
        redeem_at=_moment(purchase.redeemed_at),
        dp_platform=found.platform,
        progress=purchase.progress,
        finished_at=_moment(purchase.finished_at),
        certificate_number=purchase.certificate_number or "",
    )


def _moment(when: datetime | None) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else ""


def openapi() -> dict[str, Any]:
    """The description of all calls, OpenAPI 3.1."""
    calls = {"status": CodeCall, "commit": CommitCall, "attendance": AttendanceCall, "completion": CompletionCall}
    kinds = [*calls.values(), Answer, Refusal]
    shapes, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    shape = dict(zip(kinds, shapes, strict=True))
    refused = {"description": "Refused", "content": {"application/json": {"schema": shape[Refusal]}}}
    paths = {
        f"{ROOT}/{name}": {
            "post": {
                "operationId": name,
                "summary": str(kind.__doc__),
                "parameters": [
                    {
                        "name": header,
                        "in": "header",
                        "required": True,
                        "schema": {"type": "string"},
                        "description": text,
                    }
                    for header, text in HEADERS.items()
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": shape[kind]}}},
                "responses": {
                    "200": {"description": "OK", "content": {"application/json": {"schema": shape[Answer]}}},
                    **{str(status): refused for status, _ in STATUS.values()},
                },
            }
        }
        for name, kind in calls.items()
    }
    info = {"title": "Gelombang for training providers", "version": "1", "description": "See docs/providers.md."}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


HEADERS = {
    "client_code": "The client code you were given.",
    "timestamp": "Unix seconds, at most 5 minutes off.",
    "signature": "HMAC-SHA1 or HMAC-SHA256 in hexadecimal, with your sign key, over client_code + timestamp + POST + "
    "path + body.",
}
