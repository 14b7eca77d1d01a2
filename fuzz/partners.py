"""What banks and KYC partners say."""

import base64
import json
from datetime import UTC, datetime
from functools import cache

from bot.gateways.kyc import PartnerKeys, RefusedError
from bot.gateways.payouts import sandbox, xendit
from domain.programme import Partner
from fuzz.requests import SECRET

_PAYOUT = {"id": "disb-1", "reference_id": "r", "status": "SUCCEEDED", "amount": 600000, "failure_code": None}


def xendit_callback(body: bytes) -> None:
    """A callback whose token is right."""
    xendit.read_callback(SECRET, SECRET, body)


def sandbox_answer(body: bytes) -> None:
    """What a bank answers, with whatever status."""
    for status in (200, 404, 422, 500):
        sandbox.SandboxGateway._read("r", status, body)


_KEY = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode(), "kid": "k"}


@cache
def _partners() -> PartnerKeys:
    return PartnerKeys([Partner("bank", "Bank", (_KEY,))], lambda: datetime(2026, 11, 24, tzinfo=UTC))


def kyc(body: bytes) -> None:
    """A statement that nobody signed."""
    try:
        _partners().read(body)
    except RefusedError:
        return
    raise AssertionError("a statement without a key was taken")


def callbacks() -> list[bytes]:
    """One that is right, and one of something else."""
    return [json.dumps({"event": event, "data": _PAYOUT}).encode() for event in ("payout.succeeded", "invoice.paid")]


def statements() -> list[bytes]:
    """Heads of several kinds, each with the same claims."""
    claims = {"iss": "bank", "sub": "R", "jti": "1", "nik": "3" * 16, "iat": 1, "exp": 2, "aud": "gelombang"}
    heads = [{"alg": "Ed25519", "kid": "k"}, {"alg": "none"}, {"alg": "Ed25519", "crit": ["b64"], "b64": False}]
    parts = [[json.dumps(each).encode() for each in (head, claims)] + [bytes(64)] for head in heads]
    return [b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in each) for each in parts]
