"""Importing a list of people from CSV or XLSX: good lines in, bad ones in a report, nothing kept but digests."""

import csv
import io
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction
from tqdm import tqdm

from bot.tables import SHEETS, encoding_of, sha256_of, sheet_rows
from domain import clock, regions
from domain.verification.actions import lists
from domain.verification.rules.lists import kk_problem, nik_problem
from models import crypto
from models import lists as digests
from models.enums import ListKind
from models.verification import PersonList

BATCH = 20_000  # lines a transaction: 25 ms on SQLite, so that nobody waits behind an import
BUCKETS = 256
HEADINGS = {
    "nik": ("nik", "no nik", "nomor nik", "no ktp", "nomor induk kependudukan"),
    "kk": ("kk", "no kk", "nomor kk", "nomor kartu keluarga", "kartu keluarga"),
}
LOST = "kept_as_number"
_NOISE = str.maketrans("", "", " \t\r\n.-'\"\u00a0\u200b")


@dataclass
class Report:
    """What came of an import; ``longest_write`` is the longest transaction in seconds."""

    taken: int = 0
    repeated: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    longest_write: float = 0.0
    changed: bool = True

    def __str__(self) -> str:
        if not self.changed:
            return "this very file is what counts already: nothing changed"
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.reasons.items()))
        counts = f"{self.taken:,} taken, {self.repeated:,} repeated, {self.refused:,} refused"
        return f"{counts} ({why})" if why else counts


async def import_list(
    db: BaseDBAsyncClient, person_list: PersonList, path: Path, as_of: date, report_path: Path
) -> Report:
    """Replace a list by a file; its bad lines go to ``report_path`` by number and reason. ValueError where the file has
    no fitting column. What was broken off goes on; what is replaced is deleted.
    """
    sha256 = sha256_of(path)
    if await lists.counting(person_list, sha256):
        return Report(changed=False)
    report = Report()
    buckets = _collect(path, "kk" if person_list.kind == ListKind.SERVED else "nik", report, report_path)
    if not report.taken:
        raise ValueError(f"{path.name}: not one good line ({report}); the list stays as it was, see {report_path}")
    version = await lists.start_version(person_list, sha256, as_of, clock.now())
    with tqdm(total=report.taken, unit="line", unit_scale=True, desc="storing", disable=None) as progress:
        for bucket in buckets:
            await _store(version.id, bucket, report, progress)
    report.taken -= report.repeated
    async with in_transaction():
        replaced = await lists.finish_version(version, report.taken, report.repeated, report.refused, clock.now())
    while replaced and await digests.remove(db, replaced, BATCH):
        continue
    return report


async def _store(version_id: int, bucket: bytearray, report: Report, progress: Any) -> None:
    """Write the digests of a bucket in order."""
    rows = np.frombuffer(bucket, ">u8").reshape(-1, 2).astype("u8")
    rows, counts = np.unique(rows, axis=0, return_counts=True)
    for times in np.unique(counts):
        ordered = rows[counts == times].astype(">u8")
        for at in range(0, len(ordered), BATCH):
            part = ordered[at : at + BATCH]
            began = time.perf_counter()
            async with in_transaction() as transaction:
                await digests.add(transaction, version_id, part.tobytes(), min(int(times), 32_767))
            report.longest_write = max(report.longest_write, time.perf_counter() - began)
            progress.update(len(part) * int(times))
    report.repeated += int((counts - 1).sum())


def _collect(path: Path, column: str, report: Report, report_path: Path) -> list[bytearray]:
    """Digests of the good lines by their first byte, so that each part can be sorted by itself."""
    problem, provinces = (kk_problem if column == "kk" else nik_problem), regions.provinces()
    index, buckets = crypto.ring().indexer(column), [bytearray() for _ in range(BUCKETS)]
    with report_path.open("w", encoding="utf-8", newline="") as file:
        bad = csv.writer(file)
        bad.writerow(("line", "reason"))
        for number, value in _cells(path, column):
            cleaned = value.translate(_NOISE)
            if reason := LOST if value == LOST else problem(cleaned, provinces):
                report.refused += 1
                report.reasons[reason] += 1
                bad.writerow((number, reason))
                continue
            digest = index(cleaned)
            buckets[digest[0]] += digest
            report.taken += 1
    return buckets


def _cells(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """Line numbers (as an editor or a spreadsheet counts them) and cells of a column; empty lines are left out."""
    rows = sheet_rows(path, _cell) if path.suffix.lower() in SHEETS else _text(path)
    heading = next(rows, (0, []))[1]
    names = [" ".join(str(cell).replace(".", " ").replace("_", " ").lower().split()) for cell in heading]
    at = next((names.index(name) for name in HEADINGS[column] if name in names), None)
    if at is None:
        wanted = ", ".join(HEADINGS[column])
        raise ValueError(f"{path.name}: the first line names no column {column.upper()} (known headings: {wanted})")
    for number, row in rows:
        yield number, row[at] if len(row) > at else ""


def _text(path: Path) -> Iterator[tuple[int, list[str]]]:
    encoding = encoding_of(path)
    size = path.stat().st_size
    with path.open("rb") as raw, tqdm(total=size, unit="B", unit_scale=True, desc="reading", disable=None) as progress:
        counted = io.BufferedReader(_Counted(raw, progress), 1 << 20)
        file = io.TextIOWrapper(counted, encoding=encoding, newline="", errors="replace")
        lines = enumerate(file, start=1)
        # A spreadsheet may begin with its separator, and people with an empty line.
        skipped = ((at, line) for at, line in lines if line.strip() and not line.lower().startswith("sep="))
        number, first = next(skipped, (1, ""))
        delimiter = max(",;\t|", key=first.count)
        yield number, _split(first, delimiter)
        # Line by line: a stray quotation mark may cost its own line, never those that follow.
        for number, line in lines:
            if line.strip():
                yield number, _split(line, delimiter)


def _split(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r\n")
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # too long for a field: refused like any bad line
        return []


def _cell(value: Any) -> str:
    """A cell as text. A NIK kept as a number has lost its last digit (15 are kept), so it is refused, not guessed."""
    if isinstance(value, float):
        return LOST if value >= 1e15 else f"{value:.0f}"
    return str(value)


class _Counted(io.RawIOBase):
    """A file that tells a progress bar how far it is."""

    def __init__(self, raw: IO[bytes], progress: Any) -> None:
        self._raw, self._progress = raw, progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._progress.update(len(data))
        return len(data)
