"""The programme in figures at 7.6 million people: counting in the background, reading in a turn.

Claims: what ``/angka`` shows is read and drawn in well under a second (one row, however many people there are),
counting everybody needs less than 200 MB, and its statements look at 20,000 people in less than a second each. The
peer counts the same funnel as a handler would when it is asked: one query a stage.

    PEOPLE=7600000 python -m benchmarks.figures

``PEOPLE`` (default 1,000,000) are put into SQLite with layers of verification, a quarter of them in a wave.
"""

import asyncio
import os
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tqdm import tqdm

from benchmarks.harness import Claim, close
from bot.gateways.chart_drawing import draw
from domain import regions
from domain.staff import figures
from handlers.charts import chart_of, name_of
from models import crypto
from models.database import database, migrate
from models.enums import LayerState
from models.figures import STAGES, FigureTables
from models.verification import LayerOutcome
from models.wave import Entry, Place

NOW = datetime(2026, 11, 24, 5, tzinfo=UTC)
PEOPLE = int(os.environ.get("PEOPLE", "1000000"))
CHUNK = 250_000
LAYERS = ("phone", "nik", "age", "education", "employment", "face", "unique", "lists", "household")


async def fill(db: BaseDBAsyncClient) -> None:
    """Everybody, by statements of the database: what is encrypted elsewhere is a few zeros here."""
    blob, moment = "zeroblob(40)", f"'{NOW.isoformat(sep=' ')}'"
    with tqdm(total=PEOPLE, unit="person", desc="people", disable=None) as bar:
        for first in range(0, PEOPLE, CHUNK):
            count = min(CHUNK, PEOPLE - first)
            numbers = (
                f"WITH RECURSIVE n(i) AS (SELECT {first + 1} UNION ALL SELECT i + 1 FROM n WHERE i < {first + count}) "
            )
            await db.execute_query(
                f"{numbers} INSERT INTO person (id, nik, nik_index, kk, kk_index, name, birth_date, sex, phone, "
                "phone_index, region_code, address, education, employment, interest, warnings, declared_at, "
                "created_at) "
                f"SELECT i, {blob}, randomblob(16), {blob}, randomblob(16), {blob}, {blob}, 'female', {blob}, "
                f"randomblob(16), printf('%02d.71.01', 11 + i % 60), {blob}, 'senior', "
                f"CASE i % 3 WHEN 0 THEN 'laid_off' ELSE 'job_seeker' END, 'computer', '', {moment}, {moment} FROM n"
            )
            await db.execute_query(
                f"{numbers} INSERT INTO conversation (id, origin, language, step, version, draft, person_id, "
                f"last_address_id, paused, created_at, updated_at) SELECT i, randomblob(16), 'id', 'home.menu', 1, "
                f"{blob}, i, i, 0, {moment}, {moment} FROM n"
            )
            await db.execute_query(
                f"{numbers} INSERT INTO address (id, channel, lookup, value, conversation_id, reachable, created_at) "
                f"SELECT i, CASE i % 3 WHEN 0 THEN 'whatsapp' ELSE 'telegram' END, randomblob(16), {blob}, i, 1, "
                f"{moment} FROM n"
            )
            for layer in LAYERS:
                await db.execute_query(
                    f"{numbers} INSERT INTO layer_outcome (person_id, layer, state, reason, detail, rules, evidence, "
                    f"decided_at) SELECT i, '{layer}', CASE WHEN i % 7 = 0 AND '{layer}' = 'lists' THEN 'failed' ELSE "
                    f"'passed' END, 'layer.{layer}_x', '', 'x', zeroblob(16), {moment} FROM n"
                )
            await db.execute_query(
                f"{numbers} INSERT INTO entry (wave_id, person_id, ticket, joined_at, carried, stratum, reason) "
                f"SELECT 1, i, printf('T%d', i), {moment}, 0, '', '' FROM n WHERE i % 4 = 0"
            )
            bar.update(count)


async def naive() -> dict[str, int]:
    """The funnel as a handler would count it, through the ORM."""
    failing = LayerOutcome.filter(replaced_at=None).exclude(state=LayerState.PASSED)
    return {
        "registered": await LayerOutcome.filter(layer="phone", replaced_at=None).count(),
        "verified": await LayerOutcome.filter(layer="phone", replaced_at=None).count() - await failing.count(),
        "joined": await Entry.all().count(),
        "selected": await Place.all().count(),
    }


async def main() -> None:
    crypto.use(crypto.Keyring({1: os.urandom(32)}, os.urandom(32)))
    regions.load()
    with tempfile.TemporaryDirectory() as folder:
        async with database(f"sqlite://{Path(folder) / 'figures.db'}?synchronous=OFF") as db:
            await migrate(db)
            await db.execute_query(
                "INSERT INTO wave (id, number, status, quota, opens_at, closes_at, strata, layers, lists, "
                f"household_cap, randomness, entrants) "
                f"VALUES (1, 1, 'open', 1, '{NOW}', '{NOW}', '', '', '*', 2, 'drand', 0)"
            )
            await fill(db)
            longest, last = 0.0, time.monotonic()

            def progress(count: int) -> None:
                nonlocal longest, last
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
                bar.update(count)

            with tqdm(total=PEOPLE, unit="person", desc="counting", disable=None) as bar:
                last = time.monotonic()
                row = await figures.count(db, lambda: NOW, progress)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            counted = figures.opened(row)
            assert counted.stages()["joined"] == PEOPLE // 4
            began = time.monotonic()
            found = await figures.latest()
            assert found is not None
            stages = figures.opened(found).stages()
            read = time.monotonic() - began
            chart = await chart_of(name_of(found.id, "funnel", "id", []))
            began = time.monotonic()
            draw({**{name: getattr(chart, name) for name in ("title", "subtitle", "legend", "overlaid")},
                  "bars": [{"label": b.label, "parts": b.parts, "note": b.note} for b in chart.bars]})  # fmt: skip
            drawn = time.monotonic() - began
            began = time.monotonic()
            asked = await naive()
            by_query = time.monotonic() - began
            assert asked["joined"] == stages["joined"]
            rows = len(await FigureTables(db).people(db, 0, figures.PORTION))
    measured = {
        "people": PEOPLE, "count_seconds": row.seconds, "microseconds_a_person": row.seconds / PEOPLE * 1e6,
        "longest_portion_seconds": longest, "read_seconds": read, "draw_seconds": drawn,
        "asked_each_time_seconds": by_query, "peak_mb": memory, "stages": len(STAGES), "rows_a_portion": rows,
    }  # fmt: skip
    close(
        "figures",
        measured,
        [
            Claim("seconds to read what /angka shows and draw its chart", read + drawn, 1, at_least=False),
            Claim("seconds of the longest portion", longest, 1, at_least=False),
            Claim("MB at the peak", memory, 200, at_least=False),
            Claim("times as fast as asking the tables each time", by_query / read, 100),
        ],
    )


if __name__ == "__main__":
    asyncio.run(main())
