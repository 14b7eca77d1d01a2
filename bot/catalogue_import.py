"""Taking a catalogue from CSV, XLSX or JSON: all lines are checked before the first is stored."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.tables import SHEETS, encoding_of, sha256_of, sheet_rows
from domain.trainings import listings
from domain.trainings.rules import HEADINGS, NEEDED, Line, LineError, read_line
from models.database import writing

WRONG_SHARE = 0.2  # of refused lines; above it, it is the file that is wrong, and nothing is taken


@dataclass
class Report:
    """What came of an import: lines by number, those that were refused with their reasons."""

    lines: list[tuple[int, Line]] = field(default_factory=list)
    refused: list[tuple[int, str, list[str]]] = field(default_factory=list)
    new: int = 0
    changed: int = 0

    def __str__(self) -> str:
        reasons = Counter(reason for _, _, some in self.refused for reason in some)
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
        same = len(self.lines) - self.new - self.changed
        counts = f"{self.new:,} new, {self.changed:,} changed, {same:,} as before, {len(self.refused):,} refused"
        return f"{counts} ({why})" if why else counts


async def import_catalogue(
    path: Path, report_path: Path, clock: Callable[[], datetime], *, sample: bool = False
) -> Report:
    """Take a file's trainings, each by its provider's id; refused lines go to ``report_path`` by number and reason.

    ValueError, and nothing changed, where the file can't be read or most likely is the wrong one.
    """
    report = Report()
    seen: dict[tuple[str, str], int] = {}
    rows = tqdm(list(_rows(path)), unit="line", unit_scale=True, desc="checking", disable=None)
    for number, cells in rows:
        try:
            line = read_line(cells)
            before = seen.setdefault((line.provider, line.code), number)
            if before != number:
                raise LineError([f"same_id_as_line_{before}"])
            report.lines.append((number, line))
        except LineError as error:
            report.refused.append((number, cells.get("code", ""), error.reasons))
    sold_out = await listings.too_few_seats([line for _, line in report.lines])
    for at in sorted(sold_out, reverse=True):
        number, line = report.lines.pop(at)
        report.refused.append((number, line.code, ["fewer_seats_than_sold"]))
    _write(report_path, report)
    if not report.lines or len(report.refused) > WRONG_SHARE * (len(report.lines) + len(report.refused)):
        raise ValueError(f"{path.name}: nothing was taken, {report}; see {report_path}")
    await _store(report, f"{path.name[:40]} {sha256_of(path).hex()[:16]}", clock, sample=sample)
    _write(report_path, report)
    return report


async def _store(report: Report, source: str, clock: Callable[[], datetime], *, sample: bool) -> None:
    kept: list[tuple[int, Line]] = []
    with tqdm(total=len(report.lines), unit="line", unit_scale=True, desc="storing", disable=None) as progress:
        for start in range(0, len(report.lines), listings.PORTION):
            some = report.lines[start : start + listings.PORTION]
            async with writing():  # each stamped when it is stored: by that the running servers find it
                stored = await listings.store([line for _, line in some], source, clock(), sample=sample)
            report.new, report.changed = report.new + stored.new, report.changed + stored.changed
            for at, (number, line) in enumerate(some):
                if at in stored.sold:  # a seat was sold since it was checked
                    report.refused.append((number, line.code, ["fewer_seats_than_sold"]))
                else:
                    kept.append((number, line))
            progress.update(len(some))
    report.lines = kept


def _write(path: Path, report: Report) -> None:
    if not report.refused:
        path.unlink(missing_ok=True)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "id", "reasons"))
        writer.writerows((number, code, " ".join(reasons)) for number, code, reasons in sorted(report.refused))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line numbers and cells by the names of rules.HEADINGS."""
    if path.suffix.lower() == ".json":
        yield from _objects(path)
        return
    rows = sheet_rows(path, _cell) if path.suffix.lower() in SHEETS else _text(path)
    names = _columns(path, next(rows, (0, []))[1])
    for number, row in rows:
        yield number, {name: cell for name, cell in zip(names, row, strict=False) if name}


def _columns(path: Path, heading: list[str]) -> list[str]:
    plain = [" ".join(cell.replace("_", " ").replace(".", " ").lower().split()) for cell in heading]
    names = [next((name for name, known in HEADINGS.items() if cell in known), "") for cell in plain]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise ValueError(f"{path.name}: the first line lacks {', '.join(missing)}; see docs/trainings.md")
    return names


def _text(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding_of(path), newline="", errors="replace") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise ValueError(f"{path.name}: line {reader.line_num} is no CSV ({error})") from None


def _objects(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name}: no JSON that can be read ({type(error).__name__})") from None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise ValueError(f"{path.name}: a list of objects is expected")
    for number, each in enumerate(data, start=1):
        found = {}
        for key, value in each.items():
            plain = " ".join(str(key).replace("_", " ").lower().split())
            if name := next((name for name, known in HEADINGS.items() if plain in known), ""):
                found[name] = ", ".join(map(str, value)) if isinstance(value, list) else _cell(value)
        yield number, found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
