"""The program with a clock that is wrong: ``python -m benchmarks.skewed SECONDS serve --role worker``."""

import sys
from datetime import UTC, datetime, timedelta

from domain import clock

if __name__ == "__main__":
    wrong_by = timedelta(seconds=float(sys.argv.pop(1)))
    clock.now = lambda: datetime.now(UTC) + wrong_by  # before anything has taken it as a default
    from bot.cli import main

    sys.exit(main())
