"""Words that are stored, in plain text columns so that a new one needs no migration. A stored one never changes."""

from enum import StrEnum


class Channel(StrEnum):
    """How a message travels."""

    BROWSER = "browser"
    TERMINAL = "terminal"
    TELEGRAM = "telegram"
    SMS = "sms"
    MAIL = "mail"
    INTERNAL = "internal"


class OutboxStatus(StrEnum):
    """Where an outgoing message stands; it only moves forward (docs/decisions/0003)."""

    QUEUED = "queued"
    ATTEMPTING = "attempting"
    SENT = "sent"
    FAILED = "failed"


class TaskStatus(StrEnum):
    """Where a piece of slow work stands."""

    PENDING = "pending"
    DONE = "done"


class PhotoKind(StrEnum):
    """What a photo shows."""

    CARD = "card"
    SELFIE = "selfie"


class FaceVerdict(StrEnum):
    """What comparing two faces came to."""

    SAME = "same"
    REVIEW = "review"
    DIFFERENT = "different"


class WaveStatus(StrEnum):
    """Where a wave stands."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"


class Sex(StrEnum):
    """As the NIK says it."""

    MALE = "male"
    FEMALE = "female"


class Education(StrEnum):
    """Highest school finished."""

    NONE = "none"
    PRIMARY = "primary"
    JUNIOR = "junior"
    SENIOR = "senior"
    DIPLOMA = "diploma"
    BACHELOR = "bachelor"


class Employment(StrEnum):
    """Status on the labour market, as the programme asks for it."""

    JOB_SEEKER = "job_seeker"
    LAID_OFF = "laid_off"
    FURLOUGHED = "furloughed"
    WAGE_WORKER = "wage_worker"
    SMALL_BUSINESS = "small_business"
    NEVER_WORKED = "never_worked"


class Interest(StrEnum):
    """Field of training a person asks for."""

    COMPUTER = "computer"
    MARKETING = "marketing"
    FOOD = "food"
    LANGUAGE = "language"
    BEAUTY_FASHION = "beauty_fashion"
    TECHNICAL = "technical"
    FARMING = "farming"
    OTHER = "other"
