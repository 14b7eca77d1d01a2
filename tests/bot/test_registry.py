"""The civil registry: a server on loopback that can fail in every way, and a file."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import stamina
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.gateways.civil_registry import FAILURES, CsvRegistry, HttpRegistry
from domain.ports import Identity, RegistryUnavailableError
from models.enums import Match

SITI = Identity("3171011508900001", "3171010101990001", "Siti Aminah", date(1990, 8, 15))
MATCH, MISMATCH, UNKNOWN = Match


class Agency:
    """A registry's server: gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((await request.json(), request.headers["Authorization"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is ConnectionError:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if isinstance(answer, int):  # with an answer that would do: the status says that it does not count
            return web.json_response(GOOD, status=answer)
        return web.json_response(answer) if isinstance(answer, dict) else web.Response(text=answer)


@pytest.fixture(autouse=True)
def without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Asking:
    def __init__(self, *answers: Any) -> None:
        self.agency = Agency(*answers)

    async def __aenter__(self) -> "Asking":
        app = web.Application()
        app.router.add_post("/v1/match", self.agency.handle)
        self.server = TestServer(app)
        await self.server.start_server()
        self.registry = HttpRegistry(str(self.server.make_url("/")), "secret-token")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.registry.close()
        await self.server.close()


GOOD = {"nik": "match", "kk": "match", "name": "mismatch", "birth_date": "unknown"}


async def test_an_answer_field_by_field() -> None:
    async with Asking(GOOD) as asking:
        assert await asking.registry.check(SITI) == {
            "nik": MATCH,
            "kk": MATCH,
            "name": MISMATCH,
            "birth_date": UNKNOWN,
        }
        question, authorization = asking.agency.asked[0]
        assert question == {
            "nik": "3171011508900001",
            "kk": "3171010101990001",
            "name": "Siti Aminah",
            "birth_date": "1990-08-15",
        }
        assert authorization == "Bearer secret-token"


TROUBLE = [500, 503, 429, 404, "not json", {"nik": "perhaps"}, {"name": "match"}, ConnectionError]


@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
async def test_trouble_is_tried_again_and_then_delays(trouble: Any) -> None:
    async with Asking(trouble, trouble, GOOD) as asking:
        assert (await asking.registry.check(SITI))["nik"] == MATCH
    async with Asking(trouble) as asking:
        with pytest.raises(RegistryUnavailableError) as error:
            await asking.registry.check(SITI)
        assert "Siti" not in str(error.value)
        assert "3171" not in str(error.value)
        assert len(asking.agency.asked) == 3


async def test_an_agency_that_keeps_failing_is_left_alone() -> None:
    async with Asking(500) as asking:
        for _ in range(FAILURES + 3):
            with pytest.raises(RegistryUnavailableError):
                await asking.registry.check(SITI)
        assert len(asking.agency.asked) == 3 * FAILURES


async def test_a_file_for_offline_use(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("nik,kk,name,birth_date\n3171011508900001,3171010101990001,SITI AMINAH,1990-08-15\n")
    registry = CsvRegistry(path)
    assert set((await registry.check(SITI)).values()) == {MATCH}
    other = Identity(SITI.nik, "3171010101990002", "Budi", date(1991, 8, 15))
    assert await registry.check(other) == {"nik": MATCH, "kk": MISMATCH, "name": MISMATCH, "birth_date": MISMATCH}
    unknown = Identity("3171011508900002", SITI.kk, SITI.name, SITI.birth_date)
    assert set((await registry.check(unknown)).values()) == {UNKNOWN}
    path.write_text("nik;nama\n1;2\n")
    with pytest.raises(ValueError, match="birth_date"):
        CsvRegistry(path)
