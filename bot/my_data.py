"""The page with somebody's own data (DATA SAYA): a link from the chat, the birth date, and a file to keep.

The token stands behind the # of the address, so that it is in no log, no history of a proxy and no referrer; the page
sends it in a body. The file is one HTML page that any phone shows, with the same as JSON for machines in it.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape
from tortoise.transactions import in_transaction

from bot.chat_api import ApiError, answering_errors, json_response, read
from bot.gateways.media import MediaFolder
from bot.web import SECURITY_HEADERS, guarded
from domain import regions
from domain.clock import day_of
from domain.errors import DomainError
from domain.privacy import own_data
from domain.privacy.own_data import Row, WrongBirthDateError
from domain.registration.rules import read_birth_date
from handlers import i18n
from models.person import Photo
from models.privacy import DataLink

PAGE = Path(__file__).with_name("my_data_page")
PAGE_FILES = {"": "page.html", "page.css": "page.css", "page.js": "page.js"}
_PAGES = Environment(loader=FileSystemLoader(PAGE), autoescape=select_autoescape())
_STYLE = (PAGE / "file.css").read_text(encoding="utf-8").strip()
# The file is shown in a frame of the page, whose policy lets this style in and no other.
_STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"
# Columns whose values are message keys of this form.
_WORDS = {
    "sex": "staff.sex_{}", "education": "education.{}", "employment": "employment.{}", "interest": "interest.{}",
    "layer": "layer.name_{}", "reason": "{}", "institution": "account.{}", "what": "{}",
    "language": "staff.language_{}",
}  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """What the page posts."""

    token: str
    birth_date: str


class MyData:
    """``/my-data`` and what it posts to."""

    def __init__(self, media: MediaFolder, clock: Callable[[], datetime]) -> None:
        self._media, self._clock = media, clock

    def add_routes(self, app: web.Application) -> None:
        """Put the page into a web application."""
        app.router.add_get("/my-data", guarded(self._page))
        app.router.add_get("/my-data/page/{name}", guarded(self._page))
        app.router.add_post("/my-data/file", guarded(answering_errors(self._file)))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        name = PAGE_FILES.get(request.match_info.get("name", ""))
        if name is None:
            raise web.HTTPNotFound
        policy = f"{SECURITY_HEADERS['Content-Security-Policy']}; style-src 'self' '{_STYLE_HASH}'"
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return web.FileResponse(PAGE / name, headers=headers)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = msgspec.json.decode(await read(request), type=Asked)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ApiError(400, "malformed", "token and birth_date are expected") from None
        now = self._clock()
        try:
            born = read_birth_date(asked.birth_date[:40], day_of(now))
            link = await self._open(asked.token[:100], born, now)
        except DomainError as error:
            words = i18n.text("id", error.code, {name: str(value) for name, value in error.params.items()})
            raise ApiError(403, error.code, words) from None
        if link is None:
            raise ApiError(403, "privacy.wrong_birth_date", i18n.text("id", "privacy.wrong_birth_date"))
        return json_response({"name": f"data-{day_of(now)}.html", "page": await self._made(link, now)})

    async def _open(self, token: str, born: date, now: datetime) -> DataLink | None:
        async with in_transaction():
            try:
                return await own_data.open_link(token, born.isoformat(), now)
            except WrongBirthDateError:  # what it counted is committed
                return None

    async def _made(self, link: DataLink, now: datetime) -> str:
        sections = await own_data.everything(link.person_id)
        talks = await own_data.talks_of(link.person_id)
        photos = [
            base64.b64encode(await self._media.load(number)).decode()
            for (number,) in await Photo.filter(conversation_id__in=talks, destroyed_at__isnull=True).values_list("id")
        ]
        language = link.language

        def text(key: str, **params: Any) -> str:
            return i18n.text(language, key, params)

        return _PAGES.get_template("file.html").render(
            language=language,
            text=text,
            made=now.isoformat(),
            sections=[
                (text(f"privacy.section_{name}"), [_in_words(language, row) for row in rows])
                for name, rows in sections.items()
            ],
            photos=photos,
            css=_STYLE,
            json=json.dumps(sections, default=str, ensure_ascii=False, indent=1),
        )


def _in_words(language: str, row: Row) -> list[tuple[str, str]]:
    """Columns of a row as a person reads them; empty ones are left out."""
    words = i18n.catalogue(language)
    found = []
    for name, value in row.items():
        if value is None or value == "":
            continue
        found.append((words.get(f"privacy.field_{name}", name), _value(language, name, value)))
    return found


def _value(language: str, name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return i18n.formatted(language, {"when_time": value.isoformat()})["when_time"]
    if name == "birth_date":
        return i18n.formatted(language, {"birth_date": value})["birth_date"]
    if isinstance(value, bool):
        return i18n.text(language, "privacy.yes" if value else "privacy.no")
    if name == "region_code" and (region := regions.district(value)):
        return region.path
    key = _WORDS.get(name, "").format(value)
    if key and key in i18n.catalogue(language) and "{" not in i18n.catalogue(language)[key]:
        return i18n.text(language, key)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
