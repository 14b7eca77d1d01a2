"""Broadcasts by the real server: two members on the staff page or on Telegram, and a kill -9 in the middle.

REHEARSAL_PEOPLE sets how many people the first one goes to (default: 2,400; two in three are meant).
"""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import aiohttp

from models.enums import Channel
from tests.e2e.server import serving
from tests.e2e.staff import StaffChat, StaffPhone, by_status, counted, invitation, put_people, until
from tests.e2e.test_draws import gelombang
from tests.peers.telegram import telegram_peer

PEOPLE = int(os.environ.get("REHEARSAL_PEOPLE", "2400"))
PACE = 30  # messages a second
APPLICANTS, STAFF = "42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "43:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"


async def written(sari: StaffChat) -> None:
    """A broadcast in two languages to two of the three provinces that people live in."""
    await sari.say("/siaran")
    await sari.press("new")
    await sari.press("field_regions")
    await sari.say("31 32")
    await sari.press("write")
    assert await sari.say("Halo {nama}, kantor tutup besok.", "Hello {nama}, the office is closed tomorrow.") == [
        "staff.broadcast_card"
    ]


async def test_a_broadcast_is_paused_its_worker_killed_and_resumed_and_everybody_reads_it_once(tmp_path: Path) -> None:
    all_day = {"SMS_FROM_HOUR": "0", "SMS_UNTIL_HOUR": "24"}
    async with serving(tmp_path, **all_day) as server, aiohttp.ClientSession() as session:
        sari, budi = (StaffChat(session, server.url) for _ in range(2))
        await sari.enter(await invitation(server, "sari", "broadcaster"))
        await budi.enter(await invitation(server, "budi", "broadcaster"))
        await server.stop(signal.SIGTERM)
        await put_people(server, PEOPLE, Channel.BROWSER)
        await server.start()
        await written(sari)
        await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'ready'"))
        await sari.press("show_1")
        meant = PEOPLE - PEOPLE // 3 if PEOPLE % 3 != 2 else PEOPLE - PEOPLE // 3 - 1
        assert f"{sum(by_status(server).values()):,}".replace(",", ".") in sari.text
        assert abs(sum(by_status(server).values()) - meant) <= 1
        assert await sari.press("submit_1") == ["staff.broadcast_card"]
        await budi.say("/siaran")
        await budi.press("show_1")
        await budi.press("approve_1")
        await budi.press("start_1")
        card = budi.last[-1]["id"]
        await until(lambda: by_status(server)["sent"] > PEOPLE // 10)
        status, live = await budi.get(f"/{card}")
        assert (status, b"\xe2\x96\x88" in live) == (200, True)  # a bar that grows
        await budi.press("pause_1")
        await asyncio.sleep(0.5)
        held = by_status(server)["sent"]
        await server.stop(signal.SIGKILL)
        await server.start()
        await asyncio.sleep(3)
        assert by_status(server)["sent"] == held  # a pause outlives its process
        assert held < sum(by_status(server).values())
        await budi.say("/siaran")
        await budi.press("show_1")
        await budi.press("resume_1")
        await asyncio.sleep(0.3)
        await server.stop(signal.SIGKILL)  # once more, in full flight
        await server.start()
        await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'done'"), 120)
        read = counted(
            server,
            "SELECT COUNT(*), COUNT(DISTINCT conversation_id), SUM(language = 'en') FROM outbox "
            "WHERE key = 'notice.broadcast'",
        )
        total = sum(by_status(server).values())
        assert by_status(server) == Counter({"sent": total})
        assert read[0][:2] == (total, total)
        assert abs(int(str(read[0][2])) - total // 2) <= 1
        code, said = await gelombang(server, "audit", "verify")
        assert code == 0, said


async def test_on_telegram_a_kill_in_full_flight_tells_nobody_twice(tmp_path: Path) -> None:
    async with telegram_peer() as peer:
        settings = {
            "TELEGRAM_TOKEN": APPLICANTS, "STAFF_TELEGRAM_TOKEN": STAFF, "TELEGRAM_API_URL": peer.url,
            "TELEGRAM_PACE": str(PACE), "SMS_FROM_HOUR": "0", "SMS_UNTIL_HOUR": "24",
        }  # fmt: skip
        async with serving(tmp_path, **settings) as server:
            sari, budi = StaffPhone(peer, 901), StaffPhone(peer, 902)
            await sari.enter(await invitation(server, "sari", "broadcaster"))
            await budi.enter(await invitation(server, "budi", "broadcaster"))
            await server.stop(signal.SIGTERM)
            chats = await put_people(server, 240, Channel.TELEGRAM)
            await server.start()
            await sari.say("/siaran", "Siaran. Menunggu")
            await sari.press("Siaran baru", "Untuk siapa?")
            await sari.press("Wilayah", "Wilayah?")
            await sari.say("31 32", "Jawa Barat")
            await sari.press("tulis pesan", "Bahasa Indonesia")
            await sari.say("Halo {nama}, besok libur.", "Bahasa Inggris")
            await sari.say("Hello {nama}, tomorrow is a holiday.", "Siaran #1")
            await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'ready'"))
            await sari.say("/siaran", "Siaran. Menunggu")
            await sari.press("#1", "siap diajukan")
            await sari.press("Ajukan", "menunggu persetujuan")
            await budi.say("/siaran", "Menunggu persetujuan Anda: 1")
            await budi.press("#1", "menunggu persetujuan")
            await budi.press("Setujui", "disetujui")
            await budi.press("Kirim sekarang", "sedang dikirim")

            def told() -> Counter[str]:
                return Counter(m["chat_id"] for m in peer.sent if "libur" in m["text"] or "holiday" in m["text"])

            await until(lambda: len(told()) > 50)
            assert peer.edits  # the card moves while it is looked at
            await server.stop(signal.SIGKILL)
            await server.start()
            await until(lambda: counted(server, "SELECT 1 FROM broadcast WHERE status = 'done'"), 150)
            found, standing = told(), by_status(server)
            twice = {chat: number for chat, number in found.items() if number > 1 and chat in chats}
            assert twice == {}
            assert standing["sent"] + standing["uncertain"] == sum(standing.values())
            assert standing["uncertain"] <= 2 * PACE  # what was under way when it died: two seconds' worth at most
            assert sum(chat in chats for chat in found) >= standing["sent"]
