"""The words every conversation is written in: what arrives, what a step is, and what it may answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeAlias

import msgspec

from domain.clock import day_of
from domain.errors import DomainError
from domain.ports import FaceFacts
from domain.programme import Programme
from domain.staff.rules import Member, Permission
from domain.trainings.catalogue import Catalogue
from domain.verification.rules.card import CardReading
from models.enums import Channel, PhotoKind

NO_TRAININGS = Catalogue((), 1)

Draft: TypeAlias = dict[str, Any]
"""Answers by field name; values are what msgpack carries. Never changed in place: a step returns a new one."""


class Photo(msgspec.Struct, frozen=True):
    """A photo that is here already: the id of its file and what the detector saw."""

    id: str
    facts: FaceFacts


class RemotePhoto(msgspec.Struct, frozen=True):
    """A photo that its platform still holds; a task fetches it."""

    file_id: str


class RemoteFile(msgspec.Struct, frozen=True):
    """A document that its platform still holds; ``size`` in bytes as the platform says it."""

    file_id: str
    name: str
    size: int


class KeptFile(msgspec.Struct, frozen=True):
    """A document that is here already, sealed, under its id."""

    id: str
    name: str


class Contact(msgspec.Struct, frozen=True):
    """A phone number; ``proven`` when the platform vouches that it is the sender's own."""

    phone: str
    proven: bool


class PhotoOutcome(msgspec.Struct, frozen=True, tag="photo"):
    """What a photo task found; ``error`` is a message key. ``verdict`` is a FaceVerdict or a TurnVerdict, ``reading``
    what a card says; ``card_photo`` or ``selfie_photo`` is what the face was compared with, ``asked`` where the head
    should turn to.
    """

    kind: PhotoKind
    photo: Photo | None = None
    error: str = ""
    verdict: str = ""
    reading: CardReading | None = None
    card_photo: str = ""
    selfie_photo: str = ""
    asked: str = ""


class VerificationOutcome(msgspec.Struct, frozen=True, tag="verification"):
    """A layer of this person came to something they should hear of."""


class KycOutcome(msgspec.Struct, frozen=True, tag="kyc"):
    """A partner's statement has come for this reference."""

    reference_id: int


class AccountOutcome(msgspec.Struct, frozen=True, tag="account"):
    """What asking an institution about an account came to (models.enums.AccountVerdict)."""

    inquiry_id: int
    verdict: str


class DataOutcome(msgspec.Struct, frozen=True, tag="data"):
    """It is time to carry out what this person asked about their data."""

    request_id: int


class StaffOutcome(msgspec.Struct, frozen=True, tag="staff"):
    """Something for this member of staff: slow work is done (``task`` and its number), or the day is (``daily``)."""

    kind: str
    number: int


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """One message from one person, whatever platform carried it.

    ``address`` is the chat as its platform names it; for internal messages it is the conversation's id.
    ``external_id`` is unique per channel and message: the same id again is the same message.
    ``problem`` is the message key of what the channel had to refuse (a broken photo); ``other`` says that something
    came which no step takes (voice, sticker). ``reachable`` says that the chat was blocked or unblocked.
    ``sender_phone`` is the number, in international form, of which the platform vouches that it is the sender's.
    ``carries_reply``: the channel puts the reply into its response to the platform, which repeats the message when it
    does not get it.
    """

    channel: Channel
    address: str
    external_id: str
    text: str | None = None
    choice: str | None = None
    photo: Photo | RemotePhoto | None = None
    contact: Contact | None = None
    location: tuple[float, float] | None = None
    file: RemoteFile | KeptFile | None = None
    other: str | None = None
    problem: str | None = None
    outcome: PhotoOutcome | VerificationOutcome | KycOutcome | AccountOutcome | DataOutcome | StaffOutcome | None = None
    reachable: bool | None = None
    sender_phone: str = ""
    carries_reply: bool = False


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button: ``id`` comes back when it is pressed, ``key`` and ``params`` make its label.

    ``detail`` is the key of what is said of it in smaller print, where a channel has room, with the same parameters.
    """

    id: str
    key: str
    params: dict[str, Any] = {}
    detail: str = ""


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture or document that goes with a message: where it comes from (bot.staff_files), and its name. ``needs`` is
    what a member needs to see it, where its kind does not say so.
    """

    kind: str
    id: str
    name: str = ""
    label: str = ""
    needs: str = ""


class Say(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to the person: key and parameters, worded when it is sent.

    ``ask`` names what a channel may offer a button for: "contact", "photo" or "". ``files`` go with it on channels for
    staff. ``live``: what the message shows changes, and is shown anew for a while ("broadcast:5").
    """

    key: str
    params: dict[str, Any] = {}
    choices: tuple[Choice, ...] = ()
    ask: str = ""
    files: tuple[File, ...] = ()
    live: str = ""


class Direct(msgspec.Struct, frozen=True):
    """A message to an address that is not (yet) a chat of this person, such as a code by SMS."""

    channel: Channel
    to: str
    say: Say


class Elsewhere(msgspec.Struct, frozen=True):
    """A message into another conversation: between a person and the member of staff who talks with them."""

    conversation_id: int
    address_id: int
    channel: Channel
    language: str
    step: str
    say: Say


Reply: TypeAlias = Say | Direct | Elsewhere


class Turn(msgspec.Struct, frozen=True):
    """What a step sees: the message, the answers so far and the circumstances. Everything in it is plain data.

    ``open_wave`` is the number of the wave that can be joined, 0 for none; ``catalogue`` are the trainings of now.
    ``staff`` is who works in a conversation for staff; None elsewhere and for strangers.
    """

    inbound: Inbound
    draft: Draft
    language: str
    now: datetime
    programme: Programme
    conversation_id: int = 0
    person_id: int | None = None
    step: str = ""
    open_wave: int = 0
    catalogue: Catalogue = NO_TRAININGS
    staff: Member | None = None

    @property
    def today(self) -> date:
        """The day by the programme's clock."""
        return day_of(self.now)


class Stay(msgspec.Struct, frozen=True):
    """Remain on the step: with the replies, or with the step's screen drawn again where ``again`` says so."""

    replies: tuple[Reply, ...] = ()
    draft: Draft | None = None
    again: bool = False
    language: str | None = None


class Go(msgspec.Struct, frozen=True):
    """On to a step, whose screen follows the replies. ``silent``: it does not, and what comes next begins anew."""

    step: str
    draft: Draft
    replies: tuple[Reply, ...] = ()
    silent: bool = False


class Resume(msgspec.Struct, frozen=True):
    """This chat belongs to an earlier conversation of the same person: go on there."""

    conversation_id: int
    replies: tuple[Reply, ...] = ()


Done: TypeAlias = Stay | Go | Resume


class Act(msgspec.Struct, frozen=True):
    """Something that needs the tables: runs in the turn's own transaction, inside a savepoint."""

    action: Callable[[], Awaitable[Done]]


Outcome: TypeAlias = Done | Act

On: TypeAlias = Callable[..., Go]
"""A flow's way on: (turn, *replies, **answers) to the next open question."""


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each
class Step:
    """One screen and what may be answered to it.

    ``prompt`` draws the screen and ``answer`` takes the reply: both synchronous, without I/O. ``answer`` raises
    DomainError to refuse; the person reads its code and stays. ``fills`` are the draft's fields this step answers:
    a step whose fields are filled is passed over. ``needs`` is said when something else than ``accepts`` arrives.
    An answer to a ``final`` step is not taken back by going back. ``inner`` are draft fields that open a screen inside
    the step, the innermost first, which going back closes one by one. ``match_parts``: a part of a button's label
    stands for the button. ``back`` goes to the screen before, where that is no answer that would be taken out.
    ``reads`` are keywords that are ordinary words here ("inggris", where trainings are looked for). ``permission`` is
    what a member of staff needs to be here. ``only`` are the keywords that are taken here, None for all.
    """

    name: str
    prompt: Callable[[Turn], Say]
    answer: Callable[[Turn], Outcome]
    accepts: frozenset[str] = frozenset({"text", "choice"})
    fills: tuple[str, ...] = ()
    needs: str = "common.need_text"
    final: bool = False
    inner: tuple[str, ...] = ()
    match_parts: bool = True
    back: "Callable[[Turn], Go] | None" = None
    reads: frozenset[str] = frozenset()
    permission: Permission | None = None
    only: frozenset[str] | None = None


def to(step: str) -> Callable[[Turn], Go]:
    """The way to a step, with everything that was answered."""
    return lambda turn: Go(step, turn.draft)


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps in order. ``outcome`` takes what slow work came to, whatever step the person is on by then; ``status``
    answers the keyword. ``gate`` lets in to a flow for staff, or answers itself.
    """

    name: str
    steps: tuple[Step, ...]
    status: Callable[[Turn], Outcome]
    outcome: Callable[[Turn], Outcome]
    gate: "Callable[[Turn, Step], Outcome | None] | None" = None
    by_name: Mapping[str, Step] = field(init=False)
    asking: tuple[tuple[str, frozenset[str]], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {step.name: step for step in self.steps})
        object.__setattr__(self, "asking", tuple((step.name, frozenset(step.fills)) for step in self.steps))

    def next_step(self, draft: Draft) -> str:
        """The first step with a field that is not filled yet, else the last one."""
        filled = draft.keys()
        for name, fields in self.asking:
            if not fields <= filled:
                return name
        return self.steps[-1].name

    def back(self, turn: Turn, step: Step) -> Go:
        """To the step answered before this one, its answer taken out; refused where nothing can be taken back."""
        for name in step.inner:
            if name in turn.draft:
                return Go(step.name, without(turn.draft, name))
        if step.back is not None:
            return step.back(turn)
        for earlier in reversed(self.steps[: self.steps.index(step)]):
            if earlier.fills and all(name in turn.draft for name in earlier.fills):
                if earlier.final:
                    break
                return Go(earlier.name, without(turn.draft, *earlier.fills))
        raise DomainError("common.no_back")


def without(draft: Draft, *names: str) -> Draft:
    """The answers without some of them."""
    return {name: value for name, value in draft.items() if name not in names}


def pressed(turn: Turn) -> str | None:
    """The id of the button, without the version it carries."""
    choice = turn.inbound.choice
    return None if choice is None else choice.partition("~")[0]
