"""``python -m fuzz [--seconds 20] [--target NAME]``: each target for so long, each in a process of its own.

Coverage-guided by atheris. A crash, an input that takes over ten seconds or a process that grows beyond its limit
ends it with status 1; the input is left in var/fuzz/ and belongs into tests/fuzz/test_regressions.py when it is mended.
What was found interesting stays in var/fuzz/corpus/ and is where the next run begins.
"""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from fuzz.targets import TARGETS, Target

FOLDER = Path("var/fuzz")
SECONDS_EACH, MEGABYTES = 10, 1_536  # of one input; of a process, with a picture of 50 million pixels in it


def sown(target: Target) -> Path:
    """The folder of a target's corpus, its seeds among it."""
    folder = FOLDER / "corpus" / target.name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return folder


def run(target: Target, seconds: int) -> int:
    """Fuzz one target; gives the exit status of its process."""
    command = [sys.executable, "-m", "fuzz.one", target.name, str(sown(target)), f"-max_total_time={seconds}"]
    command += [f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={target.longest}"]
    command += [f"-artifact_prefix={FOLDER}/{target.name}-", "-print_final_stats=1", "-verbosity=0"]
    return subprocess.run(command, timeout=seconds + 300, check=False).returncode  # noqa: S603 - our own module


def main() -> int:
    """One target after the other."""
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    options = parser.parse_args()
    failed = []
    for name in options.target or TARGETS:
        print(f"fuzz: {name}, {options.seconds} s", flush=True)
        if run(TARGETS[name], options.seconds):
            failed.append(name)
    print(f"fuzz: {', '.join(failed)} failed, see {FOLDER}" if failed else "fuzz: nothing found")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
