"""A bank or wallet vouches instead of the selfie: pick it, take the reference there, wait for its statement."""

from domain.errors import DomainError
from domain.verification.actions.kyc import start_reference, vouches_for
from handlers.conversation import Act, Choice, Done, Go, On, Outcome, Say, Stay, Turn, without

# The draft's "kyc" is a screen inside the selfie step: {} to pick a partner, else the reference that was given.


def offered(turn: Turn) -> bool:
    """Whether the rules of today let a partner vouch, and there is one."""
    return turn.programme.layers_on(turn.today).kyc and bool(turn.programme.partners)


def ask(turn: Turn) -> Say:
    """Which partner, or what to do with the reference."""
    back = Choice("!back", "kyc.selfie_instead")
    given = turn.draft["kyc"]
    if not given:
        partners = (Choice(f"kyc_{p.id}", "kyc.partner", {"partner": p.name}) for p in turn.programme.partners)
        return Say("kyc.which", choices=(*partners, back))
    params = {name: given[name] for name in ("partner", "reference", "until_time")}
    return Say("kyc.take_reference", params, (back,))


def take(turn: Turn, choice: str) -> Outcome:
    """Open the choice of partners, or give out a reference for one."""
    if not offered(turn):
        raise DomainError("photo.need_selfie")
    if choice == "kyc":
        return Stay(draft={**turn.draft, "kyc": {}}, again=True)
    partner = next((each for each in turn.programme.partners if choice == f"kyc_{each.id}"), None)
    if partner is None:
        raise DomainError("common.choose")

    async def action() -> Done:
        number, reference, expires = await start_reference(
            turn.conversation_id, partner.id, turn.programme.kyc, turn.now
        )
        given = {"id": number, "partner": partner.name, "reference": reference, "until_time": expires.isoformat()}
        return Stay(draft={**turn.draft, "kyc": given}, again=True)

    return Act(action)


def take_statement(turn: Turn, reference_id: int, on: On) -> Outcome:
    """The partner's statement has come: on without photos of the face, where it is about this person.

    It may come after the person has gone back to the selfie, or on; what is not answered yet is not judged.
    """
    if "nik" not in turn.draft or turn.draft.get("kyc_reference") == reference_id:
        return Stay()

    async def action() -> Done:
        draft = without(turn.draft, "kyc")
        if not await vouches_for(reference_id, turn.conversation_id, turn.draft["nik"]):
            return Go(turn.step, draft, (Say("kyc.somebody_else"),))
        answers = {"selfie": None, "turned": None, "kyc_reference": reference_id}
        gone: Go = on(turn, Say("kyc.done"), **answers)
        return Go(gone.step, without(gone.draft, "kyc"), gone.replies)

    return Act(action)
