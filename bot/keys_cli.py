"""Commands about keys: making, rotating while everything runs, dropping those that nothing needs any more."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.gateways.media import MediaFolder
from bot.settings import Settings, add_key, drop_keys, new_key
from bot.staff_cli import Add, with_database
from models import crypto
from models.sealed import SealedTables, columns

HEARD_SECONDS = 15.0  # by then every process has read the key file anew (bot.app.KEYS_SECONDS)


def add_commands(add: Add) -> None:
    """The command ``keys``."""
    keys = add("keys", _keys, "print new keys; rotate: seal everything anew; drop: forget old keys")
    keys.add_argument("what", nargs="?", choices=["new", "rotate", "drop"], default="new")
    keys.add_argument("--now", action="store_true", help="nothing else is running: no need to wait until it has heard")


def _keys(settings: Settings, options: argparse.Namespace) -> int:
    match options.what:
        case "rotate":
            return with_database(settings, _rotate, settings, options)
        case "drop":
            return with_database(settings, _drop, settings)
    print(f"GELOMBANG_SECRET_KEYS=1:{new_key()}\nGELOMBANG_INDEX_KEY={new_key()}")
    return 0


async def _rotate(db: Any, settings: Settings, options: argparse.Namespace) -> int:
    """Broken off, it goes on where it stood: a value says itself which key sealed it."""
    media = MediaFolder(settings.media_dir)
    if not await _left(db, media):
        if settings.secret_keys.get_secret_value():
            raise ValueError(
                "everything is sealed by the newest key. Put a new one into GELOMBANG_SECRET_KEYS, "
                f"2:{new_key()}: at the end, restart all processes, then first, restart all again, and rotate "
                "(docs/security.md, Keys)"
            )
        number = add_key(settings.key_file)
        crypto.refresh()
        print(f"key {number} was added to {settings.key_file}: back it up now")
        if not options.now:
            with tqdm(total=HEARD_SECONDS, unit="s", desc="until every process knows it", disable=None) as bar:
                for _ in range(int(HEARD_SECONDS)):
                    await asyncio.sleep(1)
                    bar.update()
    while left := await _left(db, media):  # what was sealed by the old key meanwhile is done in another round
        with tqdm(total=left, unit="value", unit_scale=True, desc="sealing anew", disable=None) as bar:
            await _seal_anew(db, media, bar)
    print("everything is sealed by the newest key; old keys are only needed for old backups (gelombang keys drop)")
    return 0


async def _seal_anew(db: Any, media: MediaFolder, bar: Any) -> None:
    tables = SealedTables(db)
    for sealed in columns():
        async for count in tables.reseal(db, sealed):
            bar.update(count)
    for path in await asyncio.to_thread(media.sealed_otherwise):
        await media.reseal(path)
        bar.update()


async def _left(db: Any, media: MediaFolder) -> int:
    tables = SealedTables(db)
    rows = [await tables.left(db, sealed) for sealed in columns()]
    return sum(rows) + len(await asyncio.to_thread(media.sealed_otherwise))


async def _drop(db: Any, settings: Settings) -> int:
    if settings.secret_keys.get_secret_value():
        raise ValueError("the keys are in GELOMBANG_SECRET_KEYS: take the old ones out there")
    if left := await _left(db, MediaFolder(settings.media_dir)):
        raise ValueError(f"{left} values are sealed by an old key: run gelombang keys rotate first")
    print(f"{drop_keys(Path(settings.key_file))} old keys were dropped; backups from before need them")
    return 0
