"""The reading part of bench-cards, in a process of its own so that its memory is the reader's alone.

Reads names of files from the standard input; prints a line of JSON a card, then one with seconds and peak memory.
"""

import json
import resource
import sys
import time
from pathlib import Path

import msgspec

from bot.gateways.cards import CardReader
from domain.verification.rules.card import read_card

if __name__ == "__main__":
    reader, seconds = CardReader(), []
    for line in sys.stdin:
        photo = Path(line.strip()).read_bytes()
        began = time.process_time()
        reading = read_card(reader.read(photo))
        seconds.append(time.process_time() - began)
        print(msgspec.json.encode(reading).decode(), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": sum(seconds) / len(seconds), "slowest": max(seconds), "peak_mb": peak}))
