"""What people write freely, looked at before others read it. Pure."""

import re
import unicodedata

# Letters that look like Latin ones, and digits and signs that stand for letters.
_LOOKS = str.maketrans("аеорсухіАЕОРСУХІ", "aeopcyxiAEOPCYXI")
_MEANS = str.maketrans("013457@$!", "oieastasi")
_MAIL = re.compile(r"\S+@\S+\.\S+|(?<!\w)@\w{3,}")
_NUMBER = re.compile(r"\d(?:[^a-zA-Z\d]{0,3}\d){8,}")
_ENDINGS = (
    "com id net org co me link xyz info shop app io ly ee gl gg site online store my biz dev page to club top live tv"
).replace(" ", "|")
_LINK = re.compile(rf"https?:|www\.|(?<![\w.])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:{_ENDINGS})(?![a-z])", re.IGNORECASE)
_REPEATED = re.compile(r"(.)\1+")
_SPELT = re.compile(r"\b(?:\w[\s.\-_*]+){2,}\w\b")
# Words nobody has to read about their work, and that say nothing of a training; whole words only.
ABUSE = frozenset(
    [
        "anjing", "anjir", "bangsat", "bajingan", "brengsek", "goblok", "tolol", "idiot", "kontol", "memek", "ngentot",
        "asu", "jancok", "kampret", "tai", "taik", "perek", "pelacur", "bego", "fuck", "shit", "bitch", "ashole",
    ]
)  # fmt: skip


def readable(text: str) -> str:
    """On one line, in ordinary letters, without what is not seen."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(plain.split())


def names_somebody(words: str) -> bool:
    """Whether there is an e-mail address, a name at some network, or a number long enough for a telephone or NIK."""
    return bool(_MAIL.search(words) or _NUMBER.search(words))


def leads_away(words: str) -> bool:
    """Whether there is a link or something that a phone makes one of."""
    return bool(_LINK.search(words))


def abuses(words: str) -> bool:
    """Whether there is a word of abuse, also with digits for letters, letters repeated, or one by one."""
    lower = words.translate(_LOOKS).lower()
    spelt = " ".join(re.sub(r"[\W_]+", "", each) for each in _SPELT.findall(lower))
    for text in (lower, lower.translate(_MEANS), spelt):
        found = set(re.sub(r"[^a-z]+", " ", text).split())
        if found & ABUSE or {_REPEATED.sub(r"\1", word) for word in found} & ABUSE:
            return True
    return False
