"""Words that are stored, in plain text columns so that a new one needs no migration. A stored one never changes."""

from enum import StrEnum


class Channel(StrEnum):
    """How a message travels."""

    BROWSER = "browser"
    TERMINAL = "terminal"
    STAFF_BROWSER = "staff_browser"
    STAFF_TELEGRAM = "staff_telegram"
    TELEGRAM = "telegram"
    WHATSAPP = "whatsapp"
    SMS = "sms"
    MAIL = "mail"
    INTERNAL = "internal"


class OutboxStatus(StrEnum):
    """Where an outgoing message stands; it only moves forward (docs/decisions/0003).

    ``unknown``: the call had no answer; the provider is asked before anything is sent again.
    """

    QUEUED = "queued"
    ATTEMPTING = "attempting"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class NoticeStatus(StrEnum):
    """Where a notice stands on its ladder. ``told`` may go back to ``new`` when a provider reports a failure later."""

    NEW = "new"
    ROUTED = "routed"
    HELD = "held"  # of a broadcast that rests
    SENDING = "sending"
    TOLD = "told"
    UNREACHED = "unreached"
    EXPIRED = "expired"


class TaskStatus(StrEnum):
    """Where a piece of slow work stands."""

    PENDING = "pending"
    DONE = "done"


class PhotoKind(StrEnum):
    """What a photo shows."""

    CARD = "card"
    SELFIE = "selfie"
    TURNED = "turned"
    CERTIFICATE = "document"  # as it is stored


class FaceVerdict(StrEnum):
    """What comparing two faces came to."""

    SAME = "same"
    REVIEW = "review"
    DIFFERENT = "different"


class Side(StrEnum):
    """Where somebody is asked to turn their head to, as they see it themselves."""

    LEFT = "left"
    RIGHT = "right"


class TurnVerdict(StrEnum):
    """What a second selfie with the head turned came to."""

    AS_ASKED = "as_asked"
    OPPOSITE = "opposite"
    STRAIGHT = "straight"
    DIFFERENT = "different"


class Layer(StrEnum):
    """One check of who somebody is (lapis verifikasi)."""

    PHONE = "phone"
    EMAIL = "email"
    NIK = "nik"
    REGISTRY = "registry"
    AGE = "age"
    EDUCATION = "education"
    EMPLOYMENT = "employment"
    FACE = "face"
    UNIQUE = "unique"
    LISTS = "lists"
    HOUSEHOLD = "household"


class LayerState(StrEnum):
    """What a layer came to; ``review`` is for a person to decide, ``waiting`` lacks something from outside."""

    PASSED = "passed"
    FAILED = "failed"
    REVIEW = "review"
    WAITING = "waiting"


class Match(StrEnum):
    """What the civil registry says of one field."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class ListKind(StrEnum):
    """What standing on a list means: shut out, ahead in the draw, or a household that was served before."""

    EXCLUDED = "excluded"
    PRIORITY = "priority"
    SERVED = "served"


class Decision(StrEnum):
    """What staff decided on a case."""

    ACCEPT = "accept"
    REJECT = "reject"
    NEW_PHOTO = "new_photo"


class WaveStatus(StrEnum):
    """Where a wave stands."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    FROZEN = "frozen"
    DRAWN = "drawn"
    ANNOUNCED = "announced"
    ENDED = "ended"


class Randomness(StrEnum):
    """Where a draw's randomness comes from."""

    DRAND = "drand"
    DICE = "dice"


class PlaceStatus(StrEnum):
    """Where a place of a wave stands with the person who was selected for it."""

    SELECTED = "selected"
    NOTIFIED = "notified"
    ACCEPTED = "accepted"
    LAPSED = "lapsed"


class AccountKind(StrEnum):
    """What an account of the ledger holds; its subject is in brackets. Only the treasury may be overdrawn."""

    TREASURY = "treasury"  # where the programme's budget comes from
    BUDGET = "budget"  # authorised and not allotted yet
    WAVE_FUND = "wave_fund"  # allotted to a wave and in nobody's hands (wave)
    TRAINING_BALANCE = "training_balance"  # a participant's, for trainings (person)
    VOUCHER = "voucher"  # bought and not redeemed yet (provider)
    PROVIDER_PAYABLE = "provider_payable"  # redeemed and owed to a provider (provider)
    INCENTIVE_PAYABLE = "incentive_payable"  # owed to a participant (person)
    BALANCE_PAYABLE = "balance_payable"  # a training balance that is to be credited to an account (person)
    IN_FLIGHT = "payouts_in_flight"  # handed to the gateway and not final (batch)
    PAID = "paid"  # left the programme for good (batch)
    RETURNED = "returned"  # expired and given back to the state (year)


class Institution(StrEnum):
    """Where an account is kept."""

    BNI = "bni"
    LINKAJA = "linkaja"
    OVO = "ovo"
    GOPAY = "gopay"


class Payee(StrEnum):
    """Whose account it is."""

    PERSON = "person"
    PROVIDER = "provider"


class DueKind(StrEnum):
    """What a payment is for. A collection takes back from a restricted account what was spent or has lapsed."""

    BALANCE = "balance"
    INCENTIVE = "incentive"
    SURVEY = "survey"
    SETTLEMENT = "settlement"
    COLLECTION = "collection"


class DueStatus(StrEnum):
    """Whether something is still to be paid."""

    OPEN = "open"
    PAID = "paid"
    DROPPED = "dropped"


class BatchStatus(StrEnum):
    """Where a batch of payments stands."""

    PREPARED = "prepared"
    CHECKED = "checked"
    APPROVED = "approved"
    SUBMITTING = "submitting"
    PAUSED = "paused"
    STOPPED = "stopped"
    RECONCILED = "reconciled"
    CLOSED = "closed"


class PaymentStatus(StrEnum):
    """Where one attempt to pay stands. ``unknown``: the gateway is asked before anything else is done."""

    PREPARED = "prepared"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    PAID = "paid"
    FAILED = "failed"
    BOUNCED = "bounced"  # paid, and sent back by the account's bank later
    DROPPED = "dropped"  # never handed to the gateway


class PaymentOutcome(StrEnum):
    """What a gateway says of a payment. ``absent``: it has never heard of it; ``unknown``: it gave no answer."""

    ACCEPTED = "accepted"
    PAID = "paid"
    FAILED = "failed"
    BOUNCED = "bounced"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class DifferenceKind(StrEnum):
    """How our books and a gateway's do not agree."""

    STRANGER = "stranger"  # it names a payment that is not ours
    AMOUNT = "amount"  # it moved another amount than we asked for
    NOT_SENT = "not_sent"  # it moved what we never handed to it
    CONTRADICTION = "contradiction"  # it says the opposite of what it said before
    TWICE = "twice"  # its statement shows one payment twice
    MISSING = "missing"  # its statement does not show what it said was paid
    SPENT = "spent"  # it sent back a training balance that was spent by then


class AccountVerdict(StrEnum):
    """What asking an institution about an account came to."""

    GOOD = "good"
    ABSENT = "absent"
    CLOSED = "closed"
    OTHER_PERSON = "other_person"
    BUSY = "busy"  # no answer by now


class TrainingMode(StrEnum):
    """Where a training is held."""

    ONLINE = "online"
    OFFLINE = "offline"
    HYBRID = "hybrid"


class TrainingStatus(StrEnum):
    """Whether a training, or all of a provider's, can be chosen."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


class PurchaseStatus(StrEnum):
    """Where a bought training stands."""

    BOUGHT = "bought"
    REDEEMED = "redeemed"
    FINISHED = "finished"
    CANCELLED = "cancelled"


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
    STATE = "state"


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


class RequestKind(StrEnum):
    """A right that somebody uses (UU PDP 27/2022, art. 6-9)."""

    ACCESS = "access"
    CORRECT = "correct"
    WITHDRAW = "withdraw"
    DELETE = "delete"


class RequestStatus(StrEnum):
    """Where such a request stands. ``case``: a member of staff has to see to it."""

    OPEN = "open"
    CASE = "case"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """What a member of staff is there for (domain.staff.rules says what each may do)."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    BROADCASTER = "broadcaster"
    WAVE_MANAGER = "wave_manager"
    FINANCE = "finance"
    AUDITOR = "auditor"
    ADMIN = "admin"


class BroadcastStatus(StrEnum):
    """Where a broadcast stands. ``freezing``: its recipients are being looked up."""

    DRAFT = "draft"
    FREEZING = "freezing"
    READY = "ready"  # frozen: its preparer may have it approved
    SUBMITTED = "submitted"  # waits for a second member of staff
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class RecipientStatus(StrEnum):
    """Where one recipient of a broadcast stands; ``uncertain``: a crash left open whether it arrived."""

    FROZEN = "frozen"
    RELEASED = "released"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    CANCELLED = "cancelled"
