"""How a process writes its log: lines for people, or JSON for a collector. No line carries anything personal.

Every line has the trace of the message from outside that it is about (models.trace).
"""

import logging

from pythonjsonlogger.json import JsonFormatter

from models import trace

OURS = ("bot", "domain", "handlers", "models")


class _Traced(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.trace = trace.current() or "-"
        return True


class _InWords(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        current = trace.current()
        record.about = f" [{current}]" if current else ""
        return True


def set_up(level: str, form: str, role: str = "all") -> None:
    """Set the loggers; ``form`` is text or json. ``level`` is for this program's own lines: libraries are heard from
    warnings on, since below that they quote what they were given (statements with their values, addresses, tokens).
    """
    handler = logging.StreamHandler()
    handler.addFilter(_Traced() if form == "json" else _InWords())
    if form == "json":
        names = {"asctime": "at", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s %(trace)s",
                rename_fields=names,
                static_fields={"role": role},
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s"))
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level]), handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(level)
