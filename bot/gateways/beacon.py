"""Fetching public randomness: rounds of drand's quicknet, each verified before anybody sees it."""

import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import drand_verify
import stamina

from domain.ports import BeaconUnavailableError
from domain.waves.publication import CHAIN_HASH, PUBLIC_KEY

log = logging.getLogger(__name__)

SECONDS = 8.0
TRIES = 3
SIGNATURE_BYTES = 48


class Drand:
    """domain.ports.Beacon over HTTP; the mirrors are asked one after the other until one has a genuine answer."""

    def __init__(self, mirrors: Sequence[str], public_key: str = PUBLIC_KEY) -> None:
        self._mirrors, self._public_key = [url.rstrip("/") for url in mirrors], public_key

    async def round(self, number: int) -> bytes:
        """See domain.ports.Beacon."""
        return bytes.fromhex((await self._ask(str(number), number))["signature"])

    async def latest(self) -> int:
        """See domain.ports.Beacon."""
        return int((await self._ask("latest"))["round"])

    @stamina.retry(on=BeaconUnavailableError, attempts=TRIES, wait_initial=0.3, wait_max=3.0)
    async def _ask(self, what: str, number: int | None = None) -> dict[str, Any]:
        troubles = []
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            for mirror in self._mirrors:
                try:
                    async with http.get(f"{mirror}/{CHAIN_HASH}/public/{what}") as answer:
                        answer.raise_for_status()
                        found: dict[str, Any] = await answer.json(content_type=None)
                    if number is not None and found["round"] != number:
                        raise ValueError("a round that was not asked for")
                    if len(bytes.fromhex(found["signature"])) != SIGNATURE_BYTES:  # the library panics at it
                        raise ValueError("a signature that is none")
                    drand_verify.verify_quicknet(int(found["round"]), str(found["signature"]), self._public_key)
                except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, OverflowError) as error:
                    # A mirror that answers with a forged or another chain's round is as good as one that is down.
                    troubles.append(f"{mirror}: {type(error).__name__}")
                    log.warning("drand: %s", troubles[-1])
                else:
                    return found
        raise BeaconUnavailableError("; ".join(troubles) or "no mirror is set")
