"""Reading ID cards that were drawn, held and photographed badly. Run by `make bench-cards`.

Claim: on hard photos (turned, from a side, blurred, shaken, glaring, grainy, folded, thumbs, at night, small files, the
number in OCR-A or OCR-B) number, name and birth date are each exact on 99 %, at 1 s of CPU time a photo and 400 MB.
The cards are drawn by tests/cards.py and never existed; they say nothing about cards whose print is worn off.
CARDS=n changes the 300, HARDNESS=x (0-1) the 0.7.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import features

from benchmarks.harness import Claim, close
from bot.gateways.child import MALLOC
from tests.cards import FONTS, NIK_FONTS, PrintedCard, person, render
from tests.photos import FACES

CARDS = int(os.environ.get("CARDS", "300"))
HARDNESS = float(os.environ.get("HARDNESS", "0.7"))
FIRST = 1_000  # the tests draw people with smaller numbers
CLAIMED = ("nik", "name", "birth_date")


def printed(card: PrintedCard) -> dict[str, str]:
    """What should be read."""
    return {
        "nik": card.nik,
        "name": card.name,
        "birth_date": card.birth_date.isoformat(),
        "sex": card.sex,
        "address": card.full_address.upper(),
        "region": card.region,
    }


def shown(position: int) -> None:
    """A progress bar."""
    done = 40 * position // CARDS
    print(f"\r[{'#' * done}{'.' * (40 - done)}] {position:,} of {CARDS:,}", end="", file=sys.stderr, flush=True)


def run() -> None:
    """Draw, read, compare and print."""
    portraits = sorted((FACES / "images").glob("*_0.jpg")) if FACES.is_dir() else [None]
    exact: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    misread = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.cards_reader"]
        environment = {**os.environ, **MALLOC}
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert reader.stdin is not None
        assert reader.stdout is not None
        for position in range(CARDS):
            card, path = person(FIRST + position), Path(folder) / f"{position}.jpg"
            path.write_bytes(render(card, FIRST + position, HARDNESS, portraits[position % len(portraits)]))
            reader.stdin.write(f"{path}\n")
            reader.stdin.flush()
            reading = json.loads(reader.stdout.readline())
            for name, value in printed(card).items():
                found = reading.get(name, "")
                found = found.upper() if name == "address" else found
                exact[name] += found == value
                wrong[name] += found not in {value, ""}
                if name in CLAIMED and found != value:
                    misread.append(f"{FIRST + position} {name}: {value!r} read as {found!r}")
            shown(position + 1)
        reader.stdin.close()
        figures: dict[str, Any] = json.loads(reader.stdout.readline())
        reader.wait()
    print("\n" + "\n".join(misread))
    figures |= {"cards": CARDS, "hardness": HARDNESS, "portraits": portraits[0] is not None}
    figures["fonts"] = [font for font in NIK_FONTS if (FONTS / font).is_file() and features.check("freetype2")]
    figures["exact"] = {name: exact[name] / CARDS for name in exact}
    figures["wrong"] = {name: wrong[name] / CARDS for name in wrong}
    claims = [Claim(f"percent with an exact {name}", exact[name] / CARDS * 100, 99) for name in CLAIMED]
    claims += [
        Claim("seconds a photo", figures["seconds"], 1, at_least=False),
        Claim("peak memory, MB", figures["peak_mb"], 400, at_least=False),
    ]
    close("cards", figures, claims)


if __name__ == "__main__":
    run()
