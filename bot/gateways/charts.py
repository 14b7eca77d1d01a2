"""Charts for staff, drawn by a child process: matplotlib costs more memory than all the rest."""

import msgspec

from bot.gateways.child import ChildError, Children
from handlers.charts import chart_of


class Charts:
    """Draws a chart that a message names."""

    def __init__(self) -> None:
        self._children = Children("charts", seconds=30.0)

    async def draw(self, name: str) -> bytes:
        """A PNG of one chart ("5:funnel:id": figures, chart, language); raises KeyError where there is none."""
        chart = await chart_of(name)
        try:
            return await self._children.call(bytes, "draw", msgspec.to_builtins(chart))
        except ChildError:
            raise KeyError(name) from None

    async def close(self) -> None:
        """End the child."""
        await self._children.close()
