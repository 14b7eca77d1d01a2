"""What the programme needs from outside: shapes and protocols that bot/gateways implement."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import msgspec

from models.enums import Match, PaymentOutcome


class FaceFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the detector saw on a photo; the largest face counts.

    ``score`` 0-1 is the detector's certainty. ``eye_distance`` in pixels of the stored photo, ``roll`` in degrees,
    ``yaw`` the nose's offset from the middle of the eyes in eye distances (0 looks straight ahead). ``sharpness`` is
    the variance of the Laplacian and ``brightness`` the mean (0-255), both on the aligned 112 x 112 crop.
    ``second`` is the area of the second largest face divided by the largest.
    """

    width: int
    height: int
    faces: int = 0
    score: float = 0.0
    eye_distance: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    sharpness: float = 0.0
    brightness: float = 0.0
    second: float = 0.0


class Prepared(msgspec.Struct, frozen=True):
    """A photo that may be kept: re-encoded JPEG, upright, without metadata, at most 1,280 pixels a side."""

    jpeg: bytes
    facts: FaceFacts


class Comparison(msgspec.Struct, frozen=True):
    """How alike two faces are: cosine similarity, and which engine and model said so.

    ``vector`` is the face of the second photo: float32, little-endian, of length 1.
    """

    score: float
    engine: str
    model_sha256: bytes
    vector: bytes


class PhotoError(Exception):
    """A photo that can't be used; ``code`` is the message key of what the person reads."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Faces(Protocol):
    """Looking at photos, in another process."""

    async def prepare(self, content: bytes) -> Prepared:
        """Decode, straighten, strip and describe; raises PhotoError for what is no usable picture."""

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        """Compare the largest faces of two prepared JPEGs; raises PhotoError where one has none."""


class Media(Protocol):
    """Encrypted files."""

    async def save(self, photo_id: str, jpeg: bytes) -> None:
        """Keep a photo; it is on disk when this returns."""

    async def load(self, photo_id: str) -> bytes:
        """The photo; raises KeyError where it is gone."""

    async def delete(self, photo_id: str) -> None:
        """Destroy the file; nothing happens where it is gone."""

    async def exists(self, photo_id: str) -> bool:
        """Whether the file is there."""


class CardLine(msgspec.Struct, frozen=True):
    """A line of print on a photo; the edges are fractions of the upright picture's width and height."""

    text: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


class Cards(Protocol):
    """Reading print, in another process."""

    async def read(self, jpeg: bytes) -> tuple[CardLine, ...]:
        """Lines of text on a prepared photo, in reading order."""


class FaceIndex(Protocol):
    """Every accepted face, for finding one again."""

    async def search(self, vector: bytes, engine: str, threshold: float) -> list[tuple[int, float]]:
        """Ids of stored vectors (models.FaceVector) at least this alike, the nearest first, with their similarity."""


@dataclass(frozen=True)
class Identity:
    """What the civil registry is asked about."""

    nik: str = field(repr=False)
    kk: str = field(repr=False)
    name: str = field(repr=False)
    birth_date: date = field(repr=False)


class RegistryUnavailableError(Exception):
    """The civil registry gave no answer now; the question is asked again later and nobody is rejected for it."""


class CivilRegistry(Protocol):
    """The civil registry (Dukcapil): says of each field whether it matches, and gives no data."""

    async def check(self, identity: Identity) -> Mapping[str, Match]:
        """An answer for nik, kk, name and birth_date; raises RegistryUnavailableError."""


class BeaconUnavailableError(Exception):
    """No mirror has the round, or none has a genuine one."""


class Beacon(Protocol):
    """Public randomness that nobody can foresee or choose."""

    async def round(self, number: int) -> bytes:
        """The verified signature of a round; raises BeaconUnavailableError."""

    async def latest(self) -> int:
        """The number of the latest round; raises BeaconUnavailableError."""


@dataclass(frozen=True)
class AccountQuestion:
    """An account, and the person whose it should be. ``phone`` in international form."""

    institution: str
    number: str = field(repr=False)
    name: str = field(repr=False)
    phone: str = field(repr=False)


@dataclass(frozen=True)
class AccountAnswer:
    """What an institution says of an account: whether it is there and open, and what fits the person."""

    exists: bool
    is_open: bool = True
    name: Match = Match.UNKNOWN
    phone: Match = Match.UNKNOWN


@dataclass(frozen=True)
class PaymentOrder:
    """A payment to hand to a gateway. ``reference`` is its idempotency key, ``amount`` in rupiah.

    ``restricted``: a training balance, which only the programme can take from the account again; ``collect`` does so.
    """

    reference: str
    institution: str
    number: str = field(repr=False)
    holder: str = field(repr=False)
    amount: int
    restricted: bool = False
    collect: bool = False


@dataclass(frozen=True)
class PaymentAnswer:
    """What a gateway says of a payment; ``amount`` is what it moved, ``line`` its own number for what it says."""

    reference: str
    outcome: PaymentOutcome
    amount: int = 0
    gateway_id: str = ""
    reason: str = ""
    line: str = ""


class GatewayUnavailableError(Exception):
    """The gateway took nothing: try again after ``seconds``."""

    def __init__(self, words: str, seconds: float = 5.0) -> None:
        super().__init__(words)
        self.seconds = seconds


class PayoutGateway(Protocol):
    """Where money moves: an aggregator, a bank's file, the sandbox bank. ``portion`` payments are handed over a call.

    After ``asks_after`` seconds of silence an accepted payment is asked about; None: there is nobody to ask.
    ``restricts``: it can credit training balances for restricted use, and collect from them.
    """

    name: str
    portion: int
    restricts: bool
    asks_after: float | None

    async def inquire(self, question: AccountQuestion) -> AccountAnswer:
        """Whose an account is; raises GatewayUnavailableError."""

    async def send(self, batch: str, orders: Sequence[PaymentOrder]) -> list[PaymentAnswer]:
        """Hand payments over, each answered: accepted, paid, failed, or unknown where no answer came."""

    async def find(self, reference: str) -> PaymentAnswer:
        """What became of a payment: absent where it never came; raises GatewayUnavailableError."""

    async def finish(self, batch: str) -> None:
        """Everything of a batch has been handed over."""

    def statement(self, since: datetime) -> AsyncIterator[PaymentAnswer]:
        """What the bank's book shows from a moment on, a line each; raises GatewayUnavailableError."""

    async def close(self) -> None:
        """Give connections back."""
