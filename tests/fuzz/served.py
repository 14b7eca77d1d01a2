"""The whole web application on a port, every channel and gateway configured, and a list of its routes in a file.

A process of its own, so that its memory can be watched: ``python -m tests.fuzz.served ROUTES``.
"""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from bot.serving import serve
from bot.settings import Settings


def routes_of(site: web.Application) -> list[tuple[str, str]]:
    """Method and path (with its placeholders) of every route; HEAD is GET's own."""
    return sorted(
        (route.method, route.resource.canonical)
        for route in site.router.routes()
        if route.resource is not None and route.method != "HEAD"
    )


def main() -> None:
    """Serve until SIGTERM."""

    def note(site: web.Application) -> None:
        Path(sys.argv[1]).write_text(json.dumps(routes_of(site)))

    asyncio.run(serve(Settings(), note))


if __name__ == "__main__":
    main()
