"""Asking the civil registry (Dukcapil): over HTTP, or from a file for offline use (docs/civil-registry.md)."""

import csv
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec
import stamina
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from rapidfuzz import fuzz

from bot.web import NO_JSON
from domain.ports import Identity, RegistryUnavailableError
from models.enums import Match

SECONDS = 5.0
TRIES = 3
FAILURES = 5  # in a row, then nobody asks for a while
REST_SECONDS = 30.0
ALIKE = 90  # names that differ by a letter or an initial are one name

FIELDS = ("nik", "kk", "name", "birth_date")


class _Reply(msgspec.Struct):
    nik: Match
    kk: Match = Match.UNKNOWN
    name: Match = Match.UNKNOWN
    birth_date: Match = Match.UNKNOWN


class _TroubleError(Exception):
    """An answer that another try may better; its text names nobody."""


class HttpRegistry:
    """domain.ports.CivilRegistry over HTTP: tried three times with growing pauses, left alone after five failures."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = f"{url.rstrip('/')}/v1/match", token
        self._breakers = AsyncCircuitBreakerFactory(default_threshold=FAILURES, default_ttl=REST_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def check(self, identity: Identity) -> Mapping[str, Match]:
        """See domain.ports.CivilRegistry."""
        try:
            async with await self._breakers.get_breaker("registry"):
                return await self._ask(identity)
        except (OpenedState, _TroubleError) as error:
            raise RegistryUnavailableError(str(error) or "resting after failures") from None

    @stamina.retry(on=_TroubleError, attempts=TRIES, wait_initial=0.2, wait_max=2.0)
    async def _ask(self, identity: Identity) -> Mapping[str, Match]:
        question = {
            "nik": identity.nik,
            "kk": identity.kk,
            "name": identity.name,
            "birth_date": identity.birth_date.isoformat(),
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with self._session.post(self._url, json=question, headers=headers) as answer:
                if answer.status != 200:
                    raise _TroubleError(f"status {answer.status}")
                return msgspec.structs.asdict(msgspec.json.decode(await answer.read(), type=_Reply))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _TroubleError(type(error).__name__) from None
        except NO_JSON:
            raise _TroubleError("an answer that is not of the contract") from None

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()


class CsvRegistry:
    """domain.ports.CivilRegistry from a file with the columns nik, kk, name and birth_date (ISO)."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            try:
                if not set(FIELDS) <= set(reader.fieldnames or []):
                    raise ValueError(f"{path}: the first line must name the columns {', '.join(FIELDS)}")
                self._people = {row["nik"].strip(): row for row in reader}
            except csv.Error as error:
                raise ValueError(f"{path}, line {reader.line_num + 1}: {error}") from None

    async def check(self, identity: Identity) -> Mapping[str, Match]:
        """See domain.ports.CivilRegistry. A number that is not in the file is unknown, not wrong."""
        person = self._people.get(identity.nik)
        if person is None:
            return dict.fromkeys(FIELDS, Match.UNKNOWN)
        alike = fuzz.token_sort_ratio(identity.name.upper(), person["name"].upper()) >= ALIKE
        fits = {
            "nik": True,
            "kk": person["kk"].strip() == identity.kk,
            "name": alike,
            "birth_date": person["birth_date"].strip() == identity.birth_date.isoformat(),
        }
        return {name: Match.MATCH if fit else Match.MISMATCH for name, fit in fits.items()}

    async def close(self) -> None:
        """Nothing to end."""
