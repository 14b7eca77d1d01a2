"""Encryption at rest: AES-256-GCM under rotating keys, and keyed blind indexes for look-up.

A sealed value is ``key id (1 byte) + nonce (12 bytes) + ciphertext and tag``. Its context (``table.column``) is
authenticated, so a ciphertext that was moved to another column does not open.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

INDEX_BYTES = 16


class KeyringError(ValueError):
    """The keys are unusable, or a sealed value does not open under any of them."""


@dataclass(frozen=True)
class Keyring:
    """``keys`` by id (0-255), the first one seals; ``index_key`` never rotates, else no index would be found again.
    ``mark`` is how a value begins that the newest key sealed.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    index_key: bytes = field(repr=False)
    mark: bytes = field(init=False, repr=False, compare=False)
    _ciphers: Mapping[int, AESGCM] = field(init=False, repr=False, compare=False)
    _cipher: AESGCM = field(init=False, repr=False, compare=False)
    _indexers: dict[str, Callable[[str], bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise KeyringError("no secret key is set")
        if any(len(key) != 32 for key in (*self.keys.values(), self.index_key)):
            raise KeyringError("every key must be 32 bytes")
        ciphers = {number: AESGCM(key) for number, key in self.keys.items()}
        newest = next(iter(ciphers))
        object.__setattr__(self, "_ciphers", ciphers)
        object.__setattr__(self, "_cipher", ciphers[newest])
        object.__setattr__(self, "mark", bytes((newest,)))
        object.__setattr__(self, "_indexers", {})

    @classmethod
    def parse(cls, secret_keys: str, index_key: str) -> "Keyring":
        """``secret_keys`` as ``2:<base64>,1:<base64>`` (newest first), ``index_key`` as base64."""
        keys = {}
        try:
            for item in secret_keys.split(","):
                number, _, encoded = item.strip().partition(":")
                keys[int(number)] = base64.b64decode(encoded, validate=True)
            return cls(keys, base64.b64decode(index_key, validate=True))
        except (ValueError, binascii.Error) as error:
            # The cause is left out on purpose: it would quote the key.
            message = str(error) if isinstance(error, KeyringError) else "keys are written as 1:<base64 of 32 bytes>"
            raise KeyringError(message) from None

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt for one column or file; two calls never give the same bytes."""
        nonce = os.urandom(12)
        return self.mark + nonce + self._cipher.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt; raises KeyringError for an unknown key, another context or changed bytes."""
        try:
            return self._ciphers[sealed[0]].decrypt(sealed[1:13], sealed[13:], context)
        except KeyError:
            if (fresh := _read_again(self)) is not None:  # sealed by a key that was added since
                return fresh.open(sealed, context)
            raise KeyringError("a stored value does not open under the keys that are set") from None
        except (IndexError, InvalidTag, ValueError):
            raise KeyringError("a stored value does not open under the keys that are set") from None

    def index(self, kind: str, value: str) -> bytes:
        """Blind index of ``value``: 16 bytes of keyed BLAKE2b, separate for each kind (``nik``, ``phone``, ...)."""
        index = self._indexers.get(kind)
        if index is None:
            index = self._indexers[kind] = self.indexer(kind)
        return index(value)

    def indexer(self, kind: str) -> Callable[[str], bytes]:
        """``index`` for one kind and a great many values."""
        begun = hashlib.blake2b(f"{kind}\0".encode(), key=self.index_key, digest_size=INDEX_BYTES)

        def index(value: str) -> bytes:
            digest = begun.copy()
            digest.update(value.encode())
            return digest.digest()

        return index


_ring: Keyring | None = None
_source: Callable[[], Keyring] | None = None


def use(ring: Keyring, source: Callable[[], Keyring] | None = None) -> None:
    """Set the keys of this process; models and media seal and open with them. ``source`` reads them anew."""
    global _ring, _source
    _ring, _source = ring, source


def refresh() -> None:
    """Read the keys anew, where they come from a place that can be read; a process hears so of a new one."""
    if _source is not None:
        use(_source(), _source)


def _read_again(known: Keyring) -> Keyring | None:
    """The keys as they are now, where there are others than the ones that are known."""
    refresh()
    return _ring if _ring is not None and _ring.keys.keys() != known.keys.keys() else None


def ring() -> Keyring:
    """The keys of this process; raises KeyringError before ``use``."""
    if _ring is None:
        raise KeyringError("no keys are set in this process")
    return _ring
