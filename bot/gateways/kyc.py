"""Checking what a KYC partner posts: a compact JWS under one of the partner's own keys (docs/kyc-partners.md)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidKeyIdError, JoseError, MissingKeyError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact
from joserfc.jwt import ClaimsOption

from domain.programme import Partner
from domain.verification.actions.kyc import Statement

ALGORITHMS = ["Ed25519", "ES256"]
AUDIENCE = "gelombang"
LEEWAY = 60
LONGEST = timedelta(hours=24)
MAX_BYTES = 8_192


class RefusedError(Exception):
    """A statement that proves nothing; ``code`` is for the partner and the log and names nobody."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    jti: str
    nik: str
    iat: int
    exp: int


class PartnerKeys:
    """The keys of all partners; each partner's statement is checked under its own keys only."""

    def __init__(self, partners: Sequence[Partner], clock: Callable[[], datetime]) -> None:
        self._keys = {partner.id: KeySet.import_key_set({"keys": list(partner.keys)}) for partner in partners}
        self._clock = clock

    def read(self, token: bytes) -> Statement:
        """The statement, its signature and claims checked; raises RefusedError."""
        if len(token) > MAX_BYTES:
            raise RefusedError("too_long")
        try:
            claimed = msgspec.json.decode(extract_compact(token).payload)["iss"]
            keys = self._keys[claimed]
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            raise RefusedError("unreadable") from None
        except KeyError:
            raise RefusedError("unknown_partner") from None
        return self._checked(token, claimed, keys)

    def _checked(self, token: bytes, partner: str, keys: KeySet) -> Statement:
        now = int(self._clock().timestamp())
        required: ClaimsOption = {"essential": True}
        rules = jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY,
            iss={"essential": True, "value": partner},
            aud={"essential": True, "value": AUDIENCE},
            sub=required,
            jti=required,
            exp=required,
            iat=required,
        )
        try:
            decoded = jwt.decode(token.decode("ascii"), keys, algorithms=ALGORITHMS)
            rules.validate(decoded.claims)
            claims = msgspec.convert(decoded.claims, _Claims)
        except (InvalidKeyIdError, MissingKeyError):
            raise RefusedError("unknown_key") from None
        except BadSignatureError:
            raise RefusedError("bad_signature") from None
        except ExpiredTokenError:
            raise RefusedError("expired") from None
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            code = getattr(error, "claim", "")
            raise RefusedError("wrong_audience" if code == "aud" else "unreadable") from None
        if claims.exp - claims.iat > LONGEST.total_seconds():
            raise RefusedError("lives_too_long")
        if not (len(claims.nik) == 16 and claims.nik.isascii() and claims.nik.isdigit() and 0 < len(claims.jti) <= 64):
            raise RefusedError("unreadable")
        return Statement(partner=partner, id=claims.jti, reference=claims.sub, nik=claims.nik)
