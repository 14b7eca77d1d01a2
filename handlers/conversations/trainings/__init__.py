"""Looking for a training: the list with its sorting and filters, search, the card of one, two side by side.

All of it is read from the catalogue in memory; only coming in, other people's reviews and buying need the tables. What
somebody looks for is kept in the draft under ``browse``: their query, a window of the ids that were found (so that
pages stay as they were while somebody turns them), and where in it they are.
"""

from handlers.conversations.trainings import card, filters, pages
from handlers.conversations.trainings.looking import come_in

__all__ = ["STEPS", "come_in"]

STEPS = (*pages.STEPS, *filters.STEPS, *card.STEPS)
