"""A page for staff who decide cases, on this machine only, until they have a bot of their own: ``gelombang review``."""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, select_autoescape
from tortoise.transactions import in_transaction

from bot.web import UNREADABLE, guarded, hardened, quiet_logger
from domain import clock, regions
from domain.errors import DomainError
from domain.ports import Media
from domain.trainings import reviews
from domain.verification.actions import layers, review
from domain.verification.rules.review import TWO_TO_REJECT
from models.enums import Decision, Layer
from models.person import Person
from models.training import CertificateCheck
from models.verification import ReviewCase

COOKIE = "review"
WHY = {
    "layer.nik_review": "the NIK differs from birth date, sex or region",
    "layer.registry_review": "the civil registry does not know or does not match",
    "layer.face_review": "card and selfie are not surely one person, the head was not seen turned, or the card does "
    "not show this NIK",
    "layer.unique_review": "this face is registered under another NIK",
    "nik_known": "this NIK is registered more than once",
    "phone_reused": "this phone number stands on several registrations",
    "card_reused": "this very card photo stands on several registrations",
    "appeal": "the person asks for another look at a rejection",
}
REFUSED = {
    "staff.no_such_case": "This case is decided already.",
    "staff.voted_before": "You have voted on this before: somebody else has to look.",
    "staff.no_words": "A rejection needs words to the person: what is wrong and what to do.",
    "staff.no_certificate": "This certificate is decided already.",
    "staff.no_photo": "A new photo can only be asked for where the face is the question.",
}
_PAGES = Environment(loader=PackageLoader("bot", "review_page"), autoescape=select_autoescape())

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReviewPage:
    """Queue, case and decision for one member of staff; whoever has the link with the token is that person."""

    def __init__(self, staff: str, media: Media) -> None:
        self._staff, self._media = staff, media
        self._token = secrets.token_urlsafe(24)

    @property
    def entrance(self) -> str:
        """The path that lets somebody in."""
        return f"/enter/{self._token}"

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=64 * 1024)
        app.on_response_prepare.append(hardened)
        app.router.add_get("/enter/{token}", guarded(self._enter))
        app.router.add_get("/page.css", guarded(self._style))
        app.router.add_get("/", guarded(self._inside(self._queue)))
        app.router.add_get("/cases/{id:[0-9]{1,18}}", guarded(self._inside(self._case)))
        app.router.add_post("/cases/{id:[0-9]{1,18}}", guarded(self._inside(self._decide)))
        app.router.add_get("/certificates/{id:[0-9]{1,18}}", guarded(self._inside(self._certificate)))
        app.router.add_post("/certificates/{id:[0-9]{1,18}}", guarded(self._inside(self._decide_certificate)))
        app.router.add_get("/photos/{id:[0-9a-z]{1,32}}", guarded(self._inside(self._photo)))
        return app

    def _fits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _inside(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not self._fits(request.cookies.get(COOKIE, "")):
                raise web.HTTPForbidden(text="Open the link that `gelombang review` printed.")
            return await handler(request)

        return handle

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        if not self._fits(request.match_info["token"]):
            raise web.HTTPForbidden(text="Open the link that `gelombang review` printed.")
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict")
        return answer

    async def _style(self, request: web.Request) -> web.Response:
        assert _PAGES.loader is not None
        return web.Response(text=_PAGES.loader.get_source(_PAGES, "page.css")[0], content_type="text/css")

    def _page(self, name: str, status: int = 200, **values: Any) -> web.Response:
        text = _PAGES.get_template(name).render(staff=self._staff, token=self._token, **values)
        return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def _queue(self, request: web.Request) -> web.Response:
        cases = [_shown(case, len(await review.votes_on(case.id))) for case in await review.open_cases()]
        said = "Your decision is kept." if "kept" in request.query else ""
        certificates = [_certificate(check) for check in await reviews.open_certificates()]
        return self._page("queue.html", cases=cases, certificates=certificates, said=said)

    async def _case(self, request: web.Request, said: str = "", status: int = 200) -> web.Response:
        case = await ReviewCase.get_or_none(id=int(request.match_info["id"]))
        if case is None:
            raise web.HTTPNotFound(text="There is no such case.")
        people = [case.person_id, *(int(number) for number in case.others.split(",") if number)]
        votes = await review.votes_on(case.id)
        layer = Layer(case.layer)
        return self._page(
            "case.html",
            status,
            case=_shown(case, len(votes)),
            people=[_described(person) for number in people if (person := await Person.get_or_none(id=number))],
            votes=votes,
            can_ask_photo=layer in review.ABOUT_PHOTOS and not case.hidden,
            two_to_reject=layer in TWO_TO_REJECT,
            said=said,
        )

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        try:
            form = await request.post()
            decision = Decision(str(form.get("decision", "")))
        except (*UNREADABLE, ValueError):
            raise web.HTTPBadRequest(text="This form can't be read.") from None
        if not self._fits(str(form.get("token", ""))):
            raise web.HTTPForbidden(text="Open the link that `gelombang review` printed.")
        words = " ".join(str(form.get("words", "")).split())[:300]
        try:
            async with in_transaction():
                await layers.decide(int(request.match_info["id"]), self._staff, decision, words, clock.now())
        except DomainError as error:
            return await self._case(request, REFUSED[error.code], 409)
        return web.Response(status=303, headers={"Location": "/?kept"})

    async def _certificate(self, request: web.Request, said: str = "", status: int = 200) -> web.Response:
        try:
            check = await reviews.certificate_numbered(int(request.match_info["id"]))
        except DomainError:
            raise web.HTTPNotFound(text="This certificate is decided already.") from None
        return self._page("certificate.html", status, certificate=_certificate(check), said=said)

    async def _decide_certificate(self, request: web.Request) -> web.StreamResponse:
        try:
            form = await request.post()
            accept = Decision(str(form.get("decision", ""))) == Decision.ACCEPT
        except (*UNREADABLE, ValueError):
            raise web.HTTPBadRequest(text="This form can't be read.") from None
        if not self._fits(str(form.get("token", ""))):
            raise web.HTTPForbidden(text="Open the link that `gelombang review` printed.")
        number, words = int(request.match_info["id"]), " ".join(str(form.get("words", "")).split())[:300]
        try:
            async with in_transaction():
                await reviews.decide_certificate(number, accept=accept, words=words, by=self._staff, now=clock.now())
        except DomainError as error:
            return await self._certificate(request, REFUSED[error.code], 409)
        return web.Response(status=303, headers={"Location": "/?kept"})

    async def _photo(self, request: web.Request) -> web.Response:
        try:
            jpeg = await self._media.load(request.match_info["id"])
        except KeyError:
            raise web.HTTPNotFound(text="This photo is gone.") from None
        return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _shown(case: ReviewCase, votes: int) -> dict[str, Any]:
    since = case.opened_at.astimezone(clock.WIB)
    return {
        "id": case.id,
        "layer": case.layer,
        "why": WHY.get(case.reason, case.reason),
        "since": f"{since:%d %b %Y, %H:%M} WIB",
        "appeal": case.appeal,
        "votes": votes,
    }


def _certificate(check: CertificateCheck) -> dict[str, Any]:
    training, since = check.purchase.training, check.sent_at.astimezone(clock.WIB)
    return {
        "id": check.id,
        "photo": check.photo_id,
        "since": f"{since:%d %b %Y, %H:%M} WIB",
        "title": training.title,
        "data": [
            ("Participant", check.purchase.person.name),
            ("Training", training.title),
            ("Provider", training.provider.name),
            ("Bought", f"{check.purchase.bought_at.astimezone(clock.WIB):%d %b %Y}"),
        ],
    }


def _described(person: Person) -> dict[str, Any]:
    region = regions.district(person.region_code)
    return {
        "id": person.id,
        "photos": [
            {"label": "ID card", "id": person.card_photo_id},
            {"label": "Selfie", "id": person.selfie_photo_id},
            {"label": "Head turned", "id": person.turned_photo_id},
        ],
        "data": [
            ("Name", person.name),
            ("NIK", f"{person.nik[:6]} {person.nik[6:12]} {person.nik[12:]}"),
            ("KK", f"{person.kk[:6]} {person.kk[6:12]} {person.kk[12:]}"),
            ("Date of birth", person.birth_date),
            ("Sex by the NIK", person.sex),
            ("Home", region.path if region else person.region_code),
            ("Address", person.address),
            ("Warnings", person.warnings.replace(",", ", ") or "none"),
        ],
    }


async def serve_review(staff: str, media: Media, port: int) -> None:
    """Serve the page on loopback until interrupted."""
    page = ReviewPage(staff, media)
    runner = web.AppRunner(page.application(), access_log=None, logger=quiet_logger())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        print(f"{staff}: open http://127.0.0.1:{port}{page.entrance} (Ctrl-C ends it)", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
