"""What the documents name is there: files and headings that they link to, commands, targets of make, settings."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.all import RESULTS, pages
from bot.cli import _parser
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Read by tests and scripts alone; GELOMBANG_BANK_... are the settings of the sandbox bank.
OTHERS = {
    "GELOMBANG_BANK",
    "GELOMBANG_TEST_POSTGRES",
    "GELOMBANG_TEST_FACES",
    "GELOMBANG_SCREENSHOTS",
    "GELOMBANG_FUZZ_SECONDS",
}


def anchors(path: Path) -> set[str]:
    """Headings as GitHub names them in links."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead(document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if ":" in path:
            continue
        found = (document.parent / path).resolve() if path else document
        if not found.exists() or (anchor and anchor not in anchors(found)):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert list(dead(document)) == []


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def unknown_commands(text: str) -> Iterator[str]:
    """`gelombang WORD [WORD]` at the beginning of a line of code or in backticks."""
    for said in re.findall(r"(?:^    (?:\.venv/bin/)?|`(?:\.venv/bin/)?|&& )gelombang ([^`\n#&]+)", text, re.MULTILINE):
        parser, rest = _parser(), said.split()
        while rest and (known := subcommands(parser)):
            if rest[0] not in known:
                yield said
                break
            parser, rest = known[rest[0]], rest[1:]
        options = {option for action in parser._actions for option in action.option_strings}
        wrong = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in options]
        yield from wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_settings_that_are_named_exist(document: Path) -> None:
    text = document.read_text()
    assert list(unknown_commands(text)) == []
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^    |`)make ([a-z][\w-]*)", text, re.MULTILINE)) <= targets
    settings = {f"GELOMBANG_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bGELOMBANG_[A-Z_]+[A-Z]", text)) <= settings | OTHERS


def test_pages_of_figures_say_what_was_measured() -> None:
    for name, text in pages(json.loads(RESULTS.read_text())).items():
        assert (ROOT / "docs" / name).read_text() == text, f"python -m benchmarks.all --write: {name}"
