"""Published draws over HTTP: static files that anybody may fetch, keep and mirror."""

import re
from pathlib import Path

from aiohttp import web

from bot.web import SECURITY_HEADERS, guarded

_FILE = re.compile(r"[a-z_]+\.(?:csv|toml|txt|json|py|html|css|js)|README\.md|ranks/(?:index\.json|\d{1,6}\.txt)")
TYPES = {".csv": "text/csv", ".toml": "text/plain", ".txt": "text/plain", ".md": "text/plain", ".py": "text/plain"}
MINUTE = "public, max-age=60"  # a page changes once, when its wave is drawn
HOUR = "public, max-age=3600"


class DrawPages:
    """``/draws/<wave>/``: what lies in the folder of a wave, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add_routes(self, site: web.Application) -> None:
        """Add the pages."""
        site.router.add_get(r"/draws/{wave:\d{1,9}}", guarded(self._into))
        site.router.add_get(r"/draws/{wave:\d{1,9}}/{path:.*}", guarded(self._file))

    async def _into(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"/draws/{request.match_info['wave']}/")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"] or "index.html"
        path = self._folder / request.match_info["wave"] / name
        if not _FILE.fullmatch(name) or not path.is_file():
            raise web.HTTPNotFound(text="no such file\n", headers=SECURITY_HEADERS)
        lasting = path.suffix in {".csv", ".json", ".txt"} and name != "commitment.txt"
        headers = {**SECURITY_HEADERS, "Cache-Control": HOUR if lasting else MINUTE}
        if path.suffix in TYPES:
            headers["Content-Type"] = f"{TYPES[path.suffix]}; charset=utf-8"
        return web.FileResponse(path, headers=headers)
