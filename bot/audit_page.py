"""The published ends of the audit log, for anybody to keep: who has one can prove a later change (docs/audit.md)."""

from aiohttp import web

from bot.web import SECURITY_HEADERS, guarded
from domain import audit


class AuditPage:
    """``/audit/heads.csv``: a line a day, newest first."""

    def add_routes(self, app: web.Application) -> None:
        """Put it into a web application."""
        app.router.add_get("/audit/heads.csv", guarded(self._heads))

    async def _heads(self, request: web.Request) -> web.Response:
        lines = [f"{number},{digest},{day.isoformat()}" for day, number, digest in await audit.heads()]
        headers = {**SECURITY_HEADERS, "Cache-Control": "max-age=300"}
        return web.Response(text="\n".join([*lines, ""]), content_type="text/csv", headers=headers)
