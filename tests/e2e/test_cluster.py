"""Several processes on a PostgreSQL and a Redis of their own: one conversation through all, and each taken away."""

import asyncio
import json
import re
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from models.database import database
from tests.conftest import needs_faces
from tests.e2e.people import SITI, card, selfie
from tests.e2e.server import Chat
from tools.cluster import Cluster, can_run, cluster, is_ready

TOKEN = "a-token-for-metrics"
PHONE = f"0812{secrets.randbelow(10**8):08}"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    needs_faces,
    pytest.mark.skipif(not can_run(), reason="needs the programs of PostgreSQL and Redis"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Cluster]:
    """Two web processes, two workers, one for faces."""
    settings = {"METRICS_TOKEN": TOKEN, "DRAIN_SECONDS": "2", "PROXIES": "0", "LOG_LEVEL": "DEBUG"}
    async with cluster(settings) as made:
        yield made


class Roaming(Chat):
    """A chat whose every request goes to another web process, as a balancer would send it."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str]) -> None:
        super().__init__(session, addresses[0])
        self._addresses, self._next = addresses, 0

    @property
    def url(self) -> str:
        self._next += 1
        return self._addresses[self._next % len(self._addresses)]

    @url.setter
    def url(self, url: str) -> None:
        """One address is as good as another."""


async def _until_card_is_read(chat: Chat, phone: str = PHONE) -> None:
    await chat.post(text="halo")
    await chat.post(text="setuju")
    await chat.post(text=phone)
    await chat.post(text=await chat.code())
    assert await chat.photo(card()) == ["registration.card_checking"]
    assert await chat.wait() == ["card.proposal"]


async def test_one_conversation_goes_through_all_processes(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat = Roaming(session, running.webs)
        assert await chat.register() == ["registration.ask_selfie"]
        assert await chat.photo(selfie()) == ["registration.selfie_checking"]
        assert (await chat.wait())[0] == "registration.selfie_accepted"
        assert await chat.turn_head() == ["registration.turn_accepted", "registration.summary"]
        assert await chat.post(text="ya") == ["registration.joined", "home.menu"]


async def test_a_message_sent_again_to_another_process_is_answered_once(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat, other = Chat(session, running.webs[0]), Chat(session, running.webs[1])
        other.chat = chat.chat
        before = await _messages(running)
        together = await asyncio.gather(
            *(each.post("the-same", text="halo") for each in (chat, other) for _ in range(5))
        )
        assert {tuple(keys) for keys in together} == {tuple(together[0])}
    assert await _messages(running) == before + 1


async def _messages(running: Cluster) -> int:
    async with database(running.database_url) as db:
        [row] = await db.execute_query_dict("SELECT COUNT(*) AS n FROM inbound")
    return int(row["n"])


async def test_an_emptied_redis_and_a_killed_process_lose_nothing(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat = Roaming(session, running.webs)
        reader, writer = await asyncio.open_connection("127.0.0.1", running.redis.port)
        writer.write(b"FLUSHALL\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()
        worker = running.members["worker"][0]
        await worker.stop(signal.SIGKILL)
        await _until_card_is_read(chat)
        await running.redis.stop(signal.SIGKILL)
        await running.redis.start()
        await worker.start()
        for text in ("ya", "3171010101990001", "sma", "phk", "1"):
            await chat.post(text=text)
        await chat.photo(selfie())
        assert (await chat.wait())[0] == "registration.selfie_accepted"


async def test_a_database_that_restarts_is_waited_for(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat = Chat(session, running.webs[0])
        await chat.post(text="halo")
        await running.postgres.stop(signal.SIGQUIT)  # at once, as a power cut would
        body = {"chat": chat.chat, "id": "while-away", "text": "setuju"}
        async with session.post(f"{running.webs[0]}/chat/api/messages", json=body) as answer:
            assert answer.status == 503
        async with session.get(f"{running.webs[0]}/ready") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "database"})
        await running.postgres.start()
        await running.until_database_answers()
        for _ in range(100):
            if is_ready(running.members["web"][0].port):
                break
            await asyncio.sleep(0.1)
        assert await chat.post("while-away", text="setuju") == ["registration.ask_phone"]


async def test_a_process_told_to_end_first_says_that_it_is_not_ready(running: Cluster) -> None:
    member = running.members["web"][1]
    async with aiohttp.ClientSession() as session:
        member.send(signal.SIGTERM)
        await asyncio.sleep(0.3)
        async with session.get(f"{running.webs[1]}/ready") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "draining"})
        chat = Chat(session, running.webs[1])  # what arrives meanwhile is still taken
        assert await chat.post(text="halo")
        async with session.get(f"{running.webs[0]}/ready") as answer:
            assert answer.status == 200
    assert await member.stop() == 0
    await member.start()


async def test_the_figures_of_a_process_are_for_operators_and_name_nobody(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat = Chat(session, running.webs[0])
        await chat.post(text="halo")
        assert await chat.post(text="mungkin") == ["registration.consent_needed"]
        address = f"{running.webs[0]}/metrics"
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xff"}):
            async with session.get(address, headers=headers) as answer:
                assert answer.status == 403
        async with session.get(address, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            said = await answer.text()
    for line in (
        r'gelombang_turns_total\{channel="browser",outcome="taken"\} [1-9]',
        r"gelombang_turn_seconds_count [1-9]",
        r'gelombang_refusals_total\{code="registration.consent_needed"\} [1-9]',
        r'gelombang_queue\{queue="photos"\} 0',
        r'gelombang_messages\{channel="browser",status="sent"\} [1-9]',
    ):
        assert re.search(line, said), line
    assert "gelombang_funnel" in said
    assert chat.chat not in said


async def test_logs_are_json_and_name_nobody(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        chat = Roaming(session, running.webs)
        await chat.post(text=f"halo {SITI.name}")
    for member in running.processes:
        text = await asyncio.to_thread(member.log.read_text)
        for secret in (SITI.nik, SITI.name, SITI.address, chat.chat, PHONE, TOKEN):
            assert secret not in text
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines
        for line in lines:
            assert {"at", "level", "logger", "message", "trace", "role"} <= set(line)
        assert {line["role"] for line in lines} == {member.name.rstrip("12")}


async def test_one_trace_leads_through_the_logs_of_all_processes(running: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        await _until_card_is_read(Roaming(session, running.webs), f"0813{secrets.randbelow(10**8):08}")
    told: dict[str, set[str]] = {"web": set(), "faces": set()}
    for member in running.processes:
        for line in (await asyncio.to_thread(member.log.read_text)).splitlines():
            said = json.loads(line)
            if said["message"] in {"browser message taken", "photos: a task is done"}:
                told[said["role"]].add(said["trace"])
    assert told["faces"]
    assert "-" not in told["faces"]
    assert told["faces"] <= told["web"]


async def test_a_backup_restored_elsewhere_holds_everything(running: Cluster, tmp_path: Path) -> None:
    """The commands of docs/operate.md."""
    async with aiohttp.ClientSession() as session:
        for text in ("halo", "setuju", f"0812{secrets.randbelow(10**8):08}"):
            await Chat(session, running.webs[0]).post(text=text)
    dump = tmp_path / "gelombang.dump"
    server = f"postgres://gelombang@127.0.0.1:{running.postgres.port}"
    await running.program("pg_dump", "--format=custom", f"--file={dump}", f"{server}/postgres")
    await running.program("createdb", f"--maintenance-db={server}/postgres", "restored")
    await running.program("pg_restore", "--clean", "--if-exists", f"--dbname={server}/restored", str(dump))
    before = running.settings["DATABASE_URL"]
    running.settings["DATABASE_URL"] = f"{server}/restored"
    try:
        await running.command("migrate")
        await running.command("ledger", "check")
        await running.command("audit", "verify")
    finally:
        running.settings["DATABASE_URL"] = before
    counts = []
    for url in (before, f"{server}/restored"):
        async with database(url) as db:
            [row] = await db.execute_query_dict(
                "SELECT (SELECT COUNT(*) FROM inbound) AS inbound, (SELECT COUNT(*) FROM photo_task) AS photos"
            )
            counts.append(row)
    assert counts[0] == counts[1]
