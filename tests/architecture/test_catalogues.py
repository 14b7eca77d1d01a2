"""The message catalogues: complete, used, with the same placeholders in every language."""

import ast
import re
import string
from pathlib import Path

import pytest

from handlers import i18n
from models.enums import Education, Employment, Interest, Layer
from tests.domain.test_layers import every_reason

ROOT = Path(__file__).parents[2]
KEY = re.compile(
    r"(registration|privacy|code|photo|card|kyc|layer|review|education|employment|interest|home|help|common|waves|telegram)\.[a-z_]*[a-z]"
)
MADE = (
    {f"education.{v}" for v in Education}
    | {f"employment.{v}" for v in Employment}
    | {f"interest.{v}" for v in Interest}
    | {f"layer.name_{v}" for v in Layer}
)


def keys_in_code() -> set[str]:
    """Every string in the code that looks like a message key."""
    found = MADE | set(every_reason())
    for folder in ("bot", "handlers", "domain"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
                    found.add(node.value)
    from handlers.conversations.registration import CORRECTABLE  # noqa: PLC0415
    from handlers.flows import STEPS  # noqa: PLC0415

    return (found | {f"registration.fix_{name}" for name in CORRECTABLE}) - set(STEPS) | (
        {"registration.summary", "home.menu"}
    )


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_key_in_the_code_has_words_and_every_entry_is_used() -> None:
    assert keys_in_code() == set(i18n.catalogue("id"))


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_language_is_complete_with_the_same_placeholders(language: str) -> None:
    ours, first = i18n.catalogue(language), i18n.catalogue("id")
    assert set(ours) == set(first)
    differing = [key for key in first if placeholders(ours[key]) != placeholders(first[key])]
    assert differing == []


def test_labels_fit_a_small_screen() -> None:
    labels = MADE | {"registration.summary_join", "registration.consent_agree"}
    too_long = [key for key in labels for language in i18n.LANGUAGES if len(i18n.text(language, key)) > 28]
    assert too_long == []
