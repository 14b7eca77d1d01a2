"""Recognising faces: how often right, how fast, in how much memory. Run by `make bench-faces`.

Claim: 99.3 % of the pairs of LFW are judged right (ten folds, the threshold chosen on the other nine), no face is
missed, a selfie costs at most half the CPU time of facenet-pytorch's MTCNN + InceptionResnetV1 on one core, and the
search among a million faces takes at most 300 MB and 40 ms.

FACES=folder PAIRS=pairs.txt name Labeled Faces in the Wild in its own layout; without them its accuracy is "not
measured". The labelled photos that the tests use (GELOMBANG_TEST_FACES) are judged too, but are too few for a claim.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Claim, close
from domain.programme import FaceRules, load
from tests.photos import FACES

PEER = Path(".venv-facenet/bin/python")
INDEXED = 1_000_000
Pair = tuple[str, str, bool]


def own_pairs() -> list[Pair]:
    """The labelled pairs that the tests use too."""
    with (FACES / "pairs.csv").open() as file:
        return [
            (str(FACES / "images" / row["a"]), str(FACES / "images" / row["b"]), row["same"] == "1")
            for row in csv.DictReader(file)
        ]


def lfw_pairs(folder: Path, listed: Path) -> tuple[int, list[Pair]]:
    """Folds and pairs of a file in LFW's layout: "folds, pairs a kind", then "name, n, m" or "name, n, name, m"."""
    head, *lines = [line.split("\t") for line in listed.read_text().splitlines() if line.strip()]

    def photo(name: str, number: str) -> str:
        return str(folder / name / f"{name}_{int(number):04}.jpg")

    pairs = [
        (photo(name, first), photo(rest[0] if len(rest) == 2 else name, rest[-1]), len(rest) == 1)
        for name, first, *rest in lines
    ]
    return int(head[0]), pairs


def ask(python: str, what: str, pairs: Sequence[Pair], *arguments: str) -> dict[str, Any]:
    """What a child process measured."""
    lines = "".join(json.dumps([one, other]) + "\n" for one, other, _ in pairs)
    command = [python, "-m", "benchmarks.faces_engine", what, *arguments]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True, env=one_core)
    print(file=sys.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def folded(scores: Any, same: Any, folds: int) -> float:
    """LFW's own measure: each fold judged with the threshold that is best on the others."""
    parts = np.array_split(np.arange(len(scores)), folds)
    right = []
    for part in parts:
        rest = np.setdiff1d(np.arange(len(scores)), part)
        thresholds = np.sort(scores[rest])
        accuracy = [np.mean((scores[rest] >= at) == same[rest]) for at in thresholds[:: max(1, len(rest) // 500)]]
        best = thresholds[:: max(1, len(rest) // 500)][int(np.argmax(accuracy))]
        right.append(np.mean((scores[part] >= best) == same[part]))
    return float(np.mean(right))


def rates(scores: Any, same: Any, rules: FaceRules) -> dict[str, float]:
    """What the thresholds in use make of these pairs."""
    return {
        "same_accepted": float(np.mean(scores[same] >= rules.same)),
        "same_looked_at": float(np.mean((scores[same] >= rules.accept) & (scores[same] < rules.same))),
        "strangers_accepted": float(np.mean(scores[~same] >= rules.same)),
        "strangers_looked_at": float(np.mean((scores[~same] >= rules.accept) & (scores[~same] < rules.same))),
    }


def accuracy(name: str, pairs: list[Pair], folds: int, found: dict[str, Any]) -> dict[str, Any]:
    """What came out on pairs; a picture without a face counts as a wrong answer."""
    same = np.array([pair[2] for pair in pairs])
    missed = sum(score is None for score in found["scores"])
    scores = np.array([(-1.0 if alike else 1.0) if score is None else score
                       for score, alike in zip(found["scores"], same, strict=True)])  # fmt: skip
    report = {
        "pairs": len(pairs),
        "accuracy": folded(scores, same, folds),
        "no_face": missed,
        **rates(scores, same, load().face),
    }
    print(f"{name}: {json.dumps({key: round(value, 4) for key, value in report.items()})}")
    return report


def run() -> None:
    """Measure and print."""
    figures: dict[str, Any] = {}
    claims: list[Claim] = []
    few = own_pairs()
    ours = ask(sys.executable, "ours", few)
    figures["own_photos"] = accuracy("own photos", few, 10, ours)
    missed = figures["own_photos"]["no_face"]
    if "FACES" in os.environ and "PAIRS" in os.environ:
        folds, pairs = lfw_pairs(Path(os.environ["FACES"]), Path(os.environ["PAIRS"]))
        figures["lfw"] = accuracy("LFW", pairs, folds, ask(sys.executable, "ours", pairs))
        claims.append(Claim("LFW: percent of pairs judged right", figures["lfw"]["accuracy"] * 100, 99.3))
        missed += figures["lfw"]["no_face"]
    else:
        print("LFW: not measured (FACES=folder PAIRS=pairs.txt name it)")
    claims.append(Claim("pairs with a face that was missed", missed, 0, at_least=False))
    figures["ours"] = {key: ours[key] for key in ("small_ms", "selfie_ms", "peak_mb")}
    if PEER.exists():
        peer = figures["facenet_pytorch"] = ask(str(PEER), "peer", few)
        del peer["scores"]
        for size in ("small", "selfie"):
            times = peer[f"{size}_ms"] / ours[f"{size}_ms"]
            claims.append(Claim(f"times faster than facenet-pytorch, {size} picture", times, 2))
    else:
        print(f"facenet-pytorch: not measured, no {PEER} (make facenet-worker)")
    figures["index"] = ask(sys.executable, "index", [], str(INDEXED))
    claims += [
        Claim(f"MB for {INDEXED:,} faces", figures["index"]["added_mb"], 300, at_least=False),
        Claim(f"ms a query among {INDEXED:,} faces", figures["index"]["query_ms"], 40, at_least=False),
        Claim("part of the faces found again", figures["index"]["found"], 1),
    ]
    close("faces", figures, claims)


if __name__ == "__main__":
    run()
