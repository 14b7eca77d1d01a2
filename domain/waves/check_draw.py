"""Periksa undian Gelombang / check a draw of Gelombang.

    python3 check_draw.py FOLDER [--ticket G3-7KQ4-M2XD]

Needs nothing but Python 3.11 or newer and the published files. It reads entrants.csv, rules.toml, commitment.txt and
round.json, computes the whole draw anew and compares it, byte for byte, with winners.csv and reserve.csv. It shares no
code with the programme that made them. Exit code 0: everything fits; 1: something does not; 2: files are missing.
"""

import argparse
import hashlib
import hmac
import json
import re
import sys
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

Rows = dict[str, tuple[str, int, str]]  # ticket -> household, seats it had, stratum

GENERAL = "general"
# drand's quicknet (https://docs.drand.love): not taken from the files, which are whose draw is checked.
CHAIN_HASH = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
PUBLIC_KEY = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e"
    "17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
GENESIS, PERIOD = 1692803367, 3  # seconds
NOTICE = 24 * 3600  # between the list and its randomness
HEADS = {
    "entrants": "ticket,household,used,stratum\n",
    "winners": "rank,ticket,seat\n",
    "reserve": "rank,ticket,stratum\n",
}


class WrongError(Exception):
    """Something does not fit."""


def check(folder: Path, say: Any = print) -> dict[str, Any]:
    """Check a folder; gives what was computed. Raises WrongError or OSError."""
    rules_text = (folder / "rules.toml").read_bytes()
    commitment = hashlib.sha256(rules_text).digest()
    if (folder / "commitment.txt").read_text().split()[0] != commitment.hex():
        raise WrongError("commitment.txt is not the SHA-256 of rules.toml")
    say(f"ok  commitment.txt is the SHA-256 of rules.toml: {commitment.hex()}")
    rules = tomllib.loads(rules_text.decode())
    tickets, entrants = read_entrants(folder, rules)
    say(f"ok  entrants.csv is the list that was committed to: {len(tickets):,} tickets")
    if not (folder / "round.json").exists():
        say("--  not drawn yet: round.json is missing")
        return {"rules": rules, "entrants": entrants, "ranks": {}}
    check_times(rules)
    beacon = read_beacon(json.loads((folder / "round.json").read_text()), rules["randomness"], say)
    seed = hashlib.sha256(commitment + beacon).digest()
    say(f"ok  seed = SHA-256(commitment + randomness): {seed.hex()}")
    ranked = rank(tickets, seed)
    seats = [(stratum["name"], stratum["seats"]) for stratum in rules["strata"]]
    winners = select(ranked, entrants, seats, rules["household_cap"])
    compare(folder, ranked, entrants, winners)
    say(f"ok  winners.csv and reserve.csv are what these files lead to: {len(winners):,} of {len(ranked):,}")
    return {"rules": rules, "entrants": entrants, "ranked": ranked, "winners": winners, "seed": seed}


def check_times(rules: dict[str, Any]) -> None:
    """Whether the list was frozen a day before anybody could know the randomness."""
    announced = rules["randomness"]
    time = datetime.fromisoformat(announced["time"]).timestamp()
    if time - datetime.fromisoformat(rules["frozen"]).timestamp() < NOTICE - 1:
        raise WrongError("rules.toml: the list was not frozen a day before its randomness")
    if announced["source"] == "drand" and time != GENESIS + (announced["round"] - 1) * PERIOD:
        raise WrongError("rules.toml: the round is not published at the time that is said")


def read_entrants(folder: Path, rules: dict[str, Any]) -> tuple[list[str], Rows]:
    """The tickets in their order, and the columns of each."""
    digest = hashlib.sha256()
    tickets: list[str] = []
    entrants: Rows = {}
    with (folder / "entrants.csv").open("rb") as file:
        for number, line in enumerate(file):
            digest.update(line)
            if number == 0:
                if line.decode() != HEADS["entrants"]:
                    raise WrongError("entrants.csv does not begin with its header")
                continue
            ticket, household, used, stratum = line.decode().rstrip("\n").split(",")
            if tickets and ticket <= tickets[-1]:
                raise WrongError(f"entrants.csv: {ticket} is out of order or stands twice")
            tickets.append(ticket)
            entrants[ticket] = (household, int(used), sys.intern(stratum))
    if digest.hexdigest() != rules["entrants_sha256"] or len(tickets) != rules["entrants"]:
        raise WrongError("entrants.csv is not the list that rules.toml commits to")
    return tickets, entrants


def read_beacon(found: dict[str, Any], announced: dict[str, Any], say: Any) -> bytes:
    """The bytes of the randomness, which has to be the announced one."""
    if found["source"] == "dice":
        if announced["source"] != "dice" and found["time"] < announced["dice_after"]:
            raise WrongError("round.json: dice, but the announced round was not waited for")
        if announced["source"] != "dice":
            say(f"--  dice in place of round {announced['round']}, which was announced: see that drand never published")
            say(f"    it: https://api.drand.sh/{CHAIN_HASH}/public/{announced['round']}")
        throws = found["throws"]
        if not re.fullmatch("[1-6]{50,}", throws) or len(set(found["staff"])) < 2:
            raise WrongError("round.json: fifty throws or more, typed in by two members of staff, were announced")
        say("ok  round.json holds dice thrown in public")
        return bytes(throws, "ascii")
    if announced["source"] != "drand" or found["round"] != announced["round"]:
        raise WrongError("round.json is not the round that was announced")
    signature = bytes.fromhex(found["signature"])
    if len(signature) != 48 or hashlib.sha256(signature).hexdigest() != found["randomness"]:
        raise WrongError("round.json: the randomness is not the SHA-256 of a signature")
    try:
        import drand_verify  # noqa: PLC0415 - not part of Python; this script works without it
    except ImportError:
        say(f"--  compare the signature yourself: https://api.drand.sh/{CHAIN_HASH}/public/{found['round']}")
        say("    or let this script do it: pip install drand-verify")
    else:
        try:
            drand_verify.verify_quicknet(found["round"], found["signature"], PUBLIC_KEY)
        except ValueError:
            raise WrongError("round.json: the signature is not drand's") from None
        say(f"ok  the signature is drand's, of round {found['round']}")
    return signature


def key(seed: bytes, ticket: str) -> bytes:
    """HMAC-SHA256(seed, ticket): the smaller, the better the rank."""
    return hmac.digest(seed, ticket.encode(), "sha256")


def rank(tickets: list[str], seed: bytes) -> list[str]:
    """All tickets, the first rank first."""
    return [ticket for _, ticket in sorted((key(seed, ticket), ticket) for ticket in tickets)]


def select(ranked: list[str], entrants: Rows, seats: list[tuple[str, int]], cap: int) -> dict[str, str]:
    """Ticket -> the stratum whose seat it got."""
    winners: dict[str, str] = {}
    taken: dict[str, int] = {}
    left = 0
    for name, own in seats:
        wanted, got = own + (left if name == GENERAL else 0), 0
        for ticket in ranked:
            if got == wanted:
                break
            household, used, stratum = entrants[ticket]
            if ticket in winners or name not in {GENERAL, stratum}:
                continue
            if cap and taken.get(household, used) >= cap:
                continue
            taken[household] = taken.get(household, used) + 1
            winners[ticket] = name
            got += 1
        left += own - got
    return winners


def compare(folder: Path, ranked: list[str], entrants: Rows, winners: dict[str, str]) -> None:
    """Whether the published results are these, line by line."""
    with (folder / "winners.csv").open() as won, (folder / "reserve.csv").open() as reserve:
        if won.readline() != HEADS["winners"] or reserve.readline() != HEADS["reserve"]:
            raise WrongError("winners.csv or reserve.csv does not begin with its header")
        for number, ticket in enumerate(ranked, 1):
            file, last = (won, winners[ticket]) if ticket in winners else (reserve, entrants[ticket][2])
            if file.readline() != f"{number},{ticket},{last}\n":
                raise WrongError(f"{Path(file.name).name}: {ticket} should stand there with rank {number}")
        if won.readline() or reserve.readline():
            raise WrongError("winners.csv or reserve.csv has lines that do not belong there")


def tell(found: dict[str, Any], ticket: str, say: Any = print) -> None:
    """One ticket's own computation."""
    if ticket not in found["entrants"]:
        raise WrongError(f"{ticket} is not in entrants.csv")
    household, used, stratum = found["entrants"][ticket]
    say(f"    {ticket}: stratum {stratum}, household {household} with {used} seats before")
    if "seed" in found:
        say(f"    HMAC-SHA256(seed, {ticket}) = {key(found['seed'], ticket).hex()}")
        place = found["ranked"].index(ticket) + 1
        seat = found["winners"].get(ticket)
        say(f"    rank {place:,} of {len(found['ranked']):,}: {f'selected, seat {seat}' if seat else 'reserve list'}")


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ticket")
    options = parser.parse_args(arguments)
    try:
        found = check(options.folder)
        if options.ticket:
            tell(found, options.ticket.strip().upper())
    except WrongError as error:
        print(f"WRONG  {error}", file=sys.stderr)
        return 1
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        print(f"the files can't be read: {error!r}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
