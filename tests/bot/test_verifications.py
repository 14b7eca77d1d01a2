"""Verification end to end but for the outside: real engine, database and rules; a registry and an index by hand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date

import numpy
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from bot.verifications import Verifications
from domain import programme
from domain.errors import DomainError
from domain.ports import Comparison, Identity, RegistryUnavailableError
from domain.verification.actions import cards, faces, layers, lists
from domain.verification.actions.lists import ListTerms
from domain.verification.rules.card import CardReading
from handlers.engine import Engine, TurnResult, TurnUnavailableError
from models import crypto
from models import lists as digests
from models.conversation import Address
from models.enums import Decision, Layer, LayerState, ListKind, Match, TaskStatus
from models.notice import Notice
from models.person import FaceCheck, PhotoTask
from models.person import Person as PersonRow
from models.verification import CardReading as CardRow
from models.verification import LayerOutcome, RegistryAnswer, ReviewCase, VerificationTask
from tests.handlers.talk import NOON, Clock, Person, engine_on

FIELDS = ("nik", "kk", "name", "birth_date")


class Registry:
    """A civil registry that answers what it is told to, or is down."""

    def __init__(self) -> None:
        self.answer: dict[str, Match] | None = dict.fromkeys(FIELDS, Match.MATCH)
        self.asked: list[str] = []

    async def check(self, identity: Identity) -> Mapping[str, Match]:
        self.asked.append(identity.name)
        if self.answer is None:
            raise RegistryUnavailableError("down")
        return self.answer


class Index:
    """Exact search over what is stored, as the real one does it, without its process."""

    async def search(self, vector: bytes, engine: str, threshold: float) -> list[tuple[int, float]]:
        asked = numpy.frombuffer(vector, "<f4")
        found = []
        for number, stored in (await faces.stored_vectors(engine, 0, 1000)).items():
            score = float(asked @ numpy.frombuffer(stored, "<f4"))
            found += [(number, score)] if score >= threshold else []
        return found


class House:
    """Engine and verification at work on one database."""

    def __init__(self, db: BaseDBAsyncClient, engine: Engine, clock: Clock) -> None:
        self.db, self.engine, self.clock, self.registry = db, engine, clock, Registry()
        self.told: list[TurnResult] = []
        self.broken = False
        self.verifications = Verifications(db, self.registry, Index(), programme.load(), clock, self._receive)

    async def _receive(self, inbound: object) -> TurnResult:
        if self.broken:
            self.broken = False
            raise TurnUnavailableError("down")
        result = await self.engine.take_turn(inbound)  # type: ignore[arg-type]
        if not result.repeated:
            self.told.append(result)
        return result

    async def verify(self) -> None:
        """Do all the work there is."""
        while (task := await layers.claim_verification(self.clock())) is not None:
            await self.verifications._do(task)

    async def applicant(self, address: str, phone: str, face: int = 0) -> Person:
        """Somebody who registers with a face of their own."""
        person = Person(self.engine, address)
        person.selfie_photo = address * 32
        await person.reach("home.menu", phone=phone)
        vector = numpy.zeros(8, "<f4")
        vector[face] = 1
        comparison = Comparison(0.9, "test", b"", vector.tobytes())
        await faces.keep_vector(person.conversation_id, person.selfie_photo, comparison, self.clock())
        return person

    async def states(self, number: int) -> dict[str, str]:
        """What each layer of a person came to, but for those that passed."""
        return {
            row.layer: row.state
            for row in await layers.current_outcomes(number)
            if row.state != LayerState.PASSED and row.layer != Layer.EMAIL
        }

    async def decide(self, case: ReviewCase, staff: str, decision: Decision, words: str = "") -> Decision | None:
        async with in_transaction():
            return await layers.decide(case.id, staff, decision, words, self.clock())


@asynccontextmanager
async def house_on(db: BaseDBAsyncClient) -> AsyncIterator[House]:
    clock = Clock()
    async with engine_on(db, clock) as engine:
        yield House(db, engine, clock)


async def only(number: int = 0) -> PersonRow:
    return (await PersonRow.all().order_by("id"))[number]


async def test_an_honest_applicant_passes_every_layer_and_sees_it(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        assert await person.say("status") == ["home.status"]
        assert "sedang diperiksa" in person.text
        await house.verify()
        assert await house.states((await only()).id) == {}
        assert house.told == []
        await person.say("status")
        assert person.text.count("✅") == 10
        task = await VerificationTask.get()
        assert (task.done, task.due_at) == (task.asked, None)


async def test_a_registry_that_is_down_delays_and_never_rejects(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        house.registry.answer = None
        await house.verify()
        number = (await only()).id
        assert await house.states(number) == {"registry": "waiting"}
        house.registry.answer = dict.fromkeys(FIELDS, Match.MATCH)
        await house.verify()
        assert await house.states(number) == {"registry": "waiting"}  # its time has not come
        house.clock.forward(minutes=2)
        await house.verify()
        assert await house.states(number) == {}
        assert len(house.registry.asked) == 2
        history = await LayerOutcome.filter(person_id=number, layer=Layer.REGISTRY).order_by("id")
        assert [(row.state, row.replaced_at is None) for row in history] == [("waiting", False), ("passed", True)]


async def test_who_fails_is_told_corrects_and_passes(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        house.registry.answer = dict.fromkeys(FIELDS, Match.MISMATCH)
        await house.verify()
        person._hear(house.told[-1])
        assert [message.row.key for message in person.last] == ["home.verification"]
        assert "Data kependudukan: belum cocok" in person.text
        assert "nama tidak cocok" not in person.text  # never which field: the bot is no oracle
        await house.verify()
        assert len(house.told) == 1
        assert await person.press("fix") == ["registration.fix_which"]
        await person.press("fix_name")
        assert await person.say("Siti Aminah binti Ali") == ["registration.summary"]
        house.registry.answer = dict.fromkeys(FIELDS, Match.MATCH)
        assert await person.press("join") == ["registration.corrected", "home.menu"]
        await house.verify()
        assert await house.states((await only()).id) == {}
        assert await PersonRow.all().count() == 1
        assert house.registry.asked == ["Siti Aminah", "Siti Aminah binti Ali"]
        await person.say("status")
        assert "G1-" in person.text  # the ticket is still theirs


async def test_who_failed_is_told_once_whatever_breaks_on_the_way(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        house.registry.answer = dict.fromkeys(FIELDS, Match.MISMATCH)
        house.broken = True
        with pytest.raises(TurnUnavailableError):
            await house.verify()
        assert house.told == []
        house.clock.forward(minutes=3)  # the lease has run out
        await house.verify()
        assert len(house.told) == 1
        house.clock.forward(minutes=3)
        async with in_transaction():
            await layers.ask_for_verification((await only()).id, house.clock())
        await house.verify()
        assert len(house.told) == 1


async def test_the_same_face_under_a_second_nik_lands_in_review(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789", face=1)
        await house.applicant("b", "0812 9999 999", face=2)
        await house.applicant("c", "0812 8888 888", face=1)
        await house.verify()
        first, _, third = await PersonRow.all().order_by("id")
        assert await house.states(third.id) == {"unique": "review"}
        case = await ReviewCase.get(person_id=third.id, reason="layer.unique_review")
        assert case.others == str(first.id)
        assert await house.decide(case, "Ani", Decision.REJECT, "Anda sudah terdaftar.") is None
        with pytest.raises(DomainError, match="voted_before"):
            await house.decide(case, "Ani", Decision.REJECT, "Anda sudah terdaftar.")
        assert await house.decide(case, "Budi", Decision.REJECT, "Anda sudah terdaftar.") == Decision.REJECT
        await house.verify()
        assert await house.states(third.id) == {"unique": "failed"}
        assert "Anda sudah terdaftar." in house.told[-1].replies[-1].render().text


async def test_a_known_nik_is_a_case_for_staff_and_nothing_that_anybody_sees(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        first = await house.applicant("a", "0812 3456 789", face=1)
        second = await house.applicant("b", "0812 9999 999", face=2)
        await house.verify()
        texts = []
        for person in (first, second):
            await person.say("status")
            texts.append(person.text.partition("Pemeriksaan data")[2])
        assert texts[0] == texts[1]
        assert await house.states((await only(1)).id) == {}
        cases = await ReviewCase.filter(reason="nik_known")
        assert {case.person_id for case in cases} == {row.id for row in await PersonRow.all()}
        assert all(case.hidden for case in cases)


@pytest.mark.parametrize("given", ["3171011508900001", "3171011508900009"])
async def test_another_nik_than_the_one_on_the_card_is_a_case_for_staff(db: BaseDBAsyncClient, given: str) -> None:
    async with house_on(db) as house:
        person = await Person(house.engine, "a").reach("registration.card_photo")
        reading = CardReading(found=True, nik="3171011508900001")
        await person.card(reading)
        task = PhotoTask(conversation_id=person.conversation_id, photo_id="c" * 32)
        await cards.record_reading(task, reading, 0.5, house.clock())
        await person.press("yes" if given == reading.nik else "wrong")
        if given != reading.nik:
            for press in ("wrong_nik", "yes"):
                await person.press(press)
            await person.say(given)
        await person.reach("home.menu")
        await house.verify()
        number = (await only()).id
        swapped = {} if given == reading.nik else {"face": "review", "registry": "waiting", "lists": "waiting"}
        assert {layer: state for layer, state in (await house.states(number)).items() if layer in swapped} == swapped
        assert await ReviewCase.filter(reason="layer.face_review").count() == bool(swapped)


async def test_the_number_can_not_be_swapped_once_the_face_was_seen(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        await house.verify()
        assert await house.states((await only()).id) == {}
        for choice in ("fix", "fix_nik"):  # a button may be known where none is shown
            await person.send(choice=choice)
        await person.say("3171011508900009")
        await person.press("join")
        await house.verify()
        assert (await house.states((await only()).id))["face"] == "review"


async def test_who_can_not_be_told_in_the_chat_gets_a_notice(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        house.registry.answer = dict.fromkeys(FIELDS, Match.MISMATCH)
        await Address.all().update(reachable=False)
        await house.verify()
        person = (await only()).id
        notice = await Notice.get()
        assert (notice.kind, notice.person_id) == ("verification_needed", person)
        async with in_transaction():
            await layers.ask_for_verification(person, house.clock())
        await house.verify()
        assert await Notice.all().count() == 1


async def test_a_case_that_was_dropped_opens_again(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789", face=1)
        person = (await only()).id
        for answer in (Match.UNKNOWN, Match.MATCH, Match.UNKNOWN):
            async with in_transaction():
                await RegistryAnswer.all().delete()
                await layers.ask_for_verification(person, house.clock())
            house.registry.answer = dict.fromkeys(FIELDS, answer)
            await house.verify()
        case = await ReviewCase.get(layer=Layer.REGISTRY)
        assert (case.status, case.decision) == (TaskStatus.PENDING, None)


async def test_work_on_data_that_changed_meanwhile_is_thrown_away(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        person = (await only()).id
        house.registry.answer = dict.fromkeys(FIELDS, Match.MISMATCH)
        task = await layers.claim_verification(house.clock())
        assert task is not None
        async with in_transaction():
            await layers.ask_for_verification(person, house.clock())
        await house.verifications._do(task)
        assert not await LayerOutcome.exists()
        house.registry.answer = dict.fromkeys(FIELDS, Match.MATCH)
        await house.verify()
        assert await house.states(person) == {}


async def test_staff_ask_for_a_new_selfie_and_the_old_decision_is_void(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        await FaceCheck.all().update(verdict="review")
        await house.verify()
        row = await only()
        assert (await house.states(row.id))["face"] == "review"
        case = await ReviewCase.get(layer=Layer.FACE)
        assert await house.decide(case, "Ani", Decision.NEW_PHOTO) == Decision.NEW_PHOTO
        await house.verify()
        person._hear(house.told[-1])
        assert "foto baru" in person.text
        button = next(c.id for message in person.last for c in message.render().choices if c.id.startswith("new_photo"))
        assert await person.send(choice=button) == ["registration.ask_selfie"]
        await FaceCheck.all().delete()
        await person.selfie()
        await person.turn_head()
        assert await person.press("join") == ["registration.corrected", "home.menu"]
        await house.verify()
        assert await house.states(row.id) == {}


async def test_a_card_that_proves_nothing_is_asked_for_with_the_selfie(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        await CardRow.all().update(nik_index=None)
        await house.verify()
        await house.decide(await ReviewCase.get(layer=Layer.FACE), "Ani", Decision.NEW_PHOTO)
        await house.verify()
        person._hear(house.told[-1])
        assert await person.press("new_photo") == ["registration.ask_card_photo"]


async def test_an_appeal_is_heard_once_and_by_somebody_else(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        assert await person.press("!status") == ["home.status"]
        house.registry.answer = dict.fromkeys(FIELDS, Match.UNKNOWN)
        await house.verify()
        number = (await only()).id
        case = await ReviewCase.get(layer=Layer.REGISTRY)
        with pytest.raises(DomainError, match="no_words"):
            await house.decide(case, "Ani", Decision.REJECT)
        assert await house.decide(case, "Ani", Decision.REJECT, "NIK tidak dikenal Dukcapil.") == Decision.REJECT
        await house.verify()
        person._hear(house.told[-1])
        assert "NIK tidak dikenal Dukcapil." in person.text
        assert await person.press("appeal") == ["home.appealed"]
        await person.say("status")
        assert await person.press("appeal") == ["review.appealed_before"]
        again = await ReviewCase.get(appeal=True)
        with pytest.raises(DomainError, match="voted_before"):
            await house.decide(again, "Ani", Decision.REJECT, "Tetap.")
        assert await house.decide(again, "Budi", Decision.ACCEPT) == Decision.ACCEPT
        told = len(house.told)
        await house.verify()
        assert await house.states(number) == {}
        assert person._hear(house.told[-1]) == ["home.review_done"]
        async with in_transaction():
            await layers.ask_for_verification(number, house.clock())
        await house.verify()
        assert len(house.told) == told + 1


async def test_an_appeal_that_changes_nothing_is_answered_too(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        house.registry.answer = dict.fromkeys(FIELDS, Match.UNKNOWN)
        await house.verify()
        await house.decide(await ReviewCase.get(), "Ani", Decision.REJECT, "NIK tidak dikenal Dukcapil.")
        await house.verify()
        await person.say("status")
        await person.press("appeal")
        await house.decide(await ReviewCase.get(appeal=True), "Budi", Decision.REJECT, "Sudah kami tanyakan lagi.")
        await house.verify()
        assert person._hear(house.told[-1]) == ["home.verification"]
        assert "Sudah kami tanyakan lagi." in person.text


async def test_lists_shut_out_and_say_whose_list_it_is(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        person = await house.applicant("a", "0812 3456 789")
        row = await only()
        for code, kind, digest, times in (
            ("dtks", ListKind.EXCLUDED, row.nik_index, 1),
            ("served", ListKind.SERVED, row.kk_index, 2),
            ("phk", ListKind.PRIORITY, row.nik_index, 1),
        ):
            terms = ListTerms(code, kind, "Kemensos", "Penerima bantuan sosial.", "Receives social aid.")
            version = await lists.start_version(await lists.define(terms), code.encode(), date(2026, 11, 1), NOON)
            await digests.add(db, version.id, bytes(digest), times)
            async with in_transaction():
                await lists.finish_version(version, 1, 0, 0, NOON)
        await house.verify()
        assert await house.states(row.id) == {"lists": "failed", "household": "failed"}
        person._hear(house.told[-1])
        assert "Kemensos: Penerima bantuan sosial." in person.text
        asked = bytes(row.nik_index), crypto.ring().index("nik", "3171011508900002")
        on = await lists.standing_on(db, ListKind.PRIORITY, asked)
        assert [*on.values()] == [{asked[0]}]


async def test_two_workers_never_take_the_same_person(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        claimed = await asyncio.gather(*(layers.claim_verification(house.clock()) for _ in range(8)))
        assert sum(task is not None for task in claimed) == 1


async def test_what_is_asked_for_meanwhile_is_looked_at_again(db: BaseDBAsyncClient) -> None:
    async with house_on(db) as house:
        await house.applicant("a", "0812 3456 789")
        task = await layers.claim_verification(house.clock())
        assert task is not None
        async with in_transaction():
            await layers.ask_for_verification(task.person_id, house.clock())
        await layers.finish_verification(task, house.clock(), complete=True)
        assert await layers.claim_verification(house.clock()) is not None
