"""Surveys: opening the later ones when their time comes, and exporting the answers."""

import csv
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from tortoise.transactions import in_transaction
from tqdm import tqdm

from bot.tables import safe_cell
from bot.tasks import again_and_again
from domain.clock import day_of
from domain.errors import DomainError
from domain.programme import Programme
from domain.questions import Survey
from domain.surveys.actions import open_some
from domain.trainings.incentives import qualify, who_may_qualify
from models import crypto
from models.database import writing
from models.survey import SurveyResponse

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
PORTION = 1_000


class Surveys:
    """Looks again and again who may answer the next one."""

    def __init__(self, programme: Programme, clock: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._programme, self._clock, self._wake = programme, clock, wake

    async def run(self) -> None:
        """Work until cancelled."""
        await again_and_again("surveys", self.sweep, lambda: SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Open what is due, in small transactions; before that, incentives of those who have done everything for one
        (a certificate may come after the review).
        """
        for person_id in await who_may_qualify():
            try:
                async with writing() as db:
                    await qualify(db, person_id, self._programme, self._clock())
            except DomainError as error:  # one person's wave is short of funds: the others go on
                log.error("incentive of person %d: %s", person_id, error.code)
        while True:
            async with in_transaction():
                opened = await open_some(self._programme, self._clock())
            if not opened:
                return
            self._wake()


async def export(survey: Survey, path: Path) -> int:
    """Write a survey's answers, a line each, as CSV or (path ending in .parquet) Parquet; gives how many.

    Instead of the person there is a pseudonym, the same in all surveys, which only our index key can make.
    """
    columns = ["respondent", "province", "sex", "language", "version", "finished_on", *_columns(survey)]
    total = await SurveyResponse.filter(survey=survey.code).count()
    rows = _rows(survey)
    with tqdm(total=total, unit="answer", desc="exporting", disable=None) as bar:
        if path.suffix == ".parquet":
            return await _parquet(path, columns, rows, bar)
        count = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            async for row in rows:
                writer.writerow({name: _plain(value) for name, value in row.items()})
                bar.update()
                count += 1
        return count


async def _parquet(path: Path, columns: list[str], rows: AsyncIterator[dict[str, Any]], bar: Any) -> int:
    import pyarrow as pa  # noqa: PLC0415 - large, and only needed here
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = []
    async for row in rows:
        found.append({name: row.get(name) for name in columns})
        bar.update()
    pq.write_table(
        pa.Table.from_pylist(found, schema=None) if found else pa.table({name: [] for name in columns}), path
    )
    return len(found)


def _plain(value: Any) -> Any:
    return safe_cell(" ".join(value) if isinstance(value, list) else value)


def _columns(survey: Survey) -> list[str]:
    return [f"q_{question.id}" for question in survey.questions]


async def _rows(survey: Survey) -> AsyncIterator[dict[str, Any]]:
    after = 0
    ring = crypto.ring()
    while True:
        found = SurveyResponse.filter(survey=survey.code, id__gt=after).order_by("id").limit(PORTION)
        some = await found.prefetch_related("person")
        if not some:
            return
        for row in some:
            answers = msgspec.json.decode(row.answers)
            yield {
                "respondent": ring.index("survey respondent", str(row.person_id)).hex()[:16],
                "province": row.person.region_code[:2],
                "sex": row.person.sex,
                "language": row.language,
                "version": row.version,
                "finished_on": day_of(row.finished_at).isoformat(),
                **{f"q_{name}": value for name, value in answers.items() if f"q_{name}" in _columns(survey)},
            }
        after = some[-1].id
