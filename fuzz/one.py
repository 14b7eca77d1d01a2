"""The process of one target: ``python -m fuzz.one NAME CORPUS [libFuzzer's options]``. Started by fuzz.__main__."""

import logging
import sys
import warnings

import atheris

# Beside our own code: the libraries whose branches decide what becomes of these bytes. All of them would take a minute.
_FORMS = ["aiohttp.multipart", "aiohttp.web_request"]
LIBRARIES = {
    "staff_telegram": ["telegram"],
    "twilio": _FORMS,
    "browser": _FORMS,
    "kyc": ["joserfc"],
    "picture": ["PIL"],
}

with atheris.instrument_imports(include=["bot", *LIBRARIES.get(sys.argv[1], [])], enable_loader_override=False):
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    logging.disable()
    warnings.simplefilter("ignore")
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
