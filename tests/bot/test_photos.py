"""A card photo, from the picture to what the person hears: real engine, real faces, real folder."""

from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient

from bot.gateways.child import Children
from bot.gateways.faces.process import CardProcess, FaceProcess
from bot.gateways.media import MediaFolder
from bot.photos import Photos
from domain import programme
from domain.verification.actions.photos import claim_photo_task
from handlers.conversation import Inbound
from handlers.engine import TurnResult
from models.enums import FaceVerdict
from models.person import FaceCheck
from models.verification import FaceVector
from tests.cards import person as printed
from tests.cards import render
from tests.handlers.talk import Clock, Person, engine_on
from tests.photos import FACES, needs_faces


@needs_faces
async def test_a_card_without_a_portrait_leaves_the_faces_to_staff(db: BaseDBAsyncClient, tmp_path: Path) -> None:
    clock, children = Clock(), Children("opencv")
    async with engine_on(db, clock) as engine:
        person, heard = Person(engine, "a"), list[str]()

        async def receive(inbound: Inbound) -> TurnResult:
            result = await engine.take_turn(inbound)
            heard.extend(person._hear(result))
            return result

        reader, media = CardProcess(children), MediaFolder(tmp_path)
        photos = Photos(FaceProcess("opencv", children), reader, media, programme.load(), clock, {}, receive)

        async def send(content: bytes) -> list[str]:
            heard.clear()
            keys = await person.send(photo=await photos.keep(content, 1))
            while (task := await claim_photo_task(clock())) is not None:
                await photos._do(task)
            return [*keys, *heard]

        await person.reach("registration.card_photo")
        card = render(printed(101), 101, 0.0)  # a grey shape stands where the portrait should be
        assert await send(card) == ["photo.card_no_face"]
        assert await send(card) == ["registration.card_checking", "card.proposal"]
        await person.say("ya")
        await person.reach("registration.selfie")
        selfie = (FACES / "images" / "p000_0.jpg").read_bytes()
        assert (await send(selfie))[:2] == ["registration.selfie_checking", "registration.selfie_accepted"]
        check = await FaceCheck.get()
        assert (check.score, check.verdict) == (None, FaceVerdict.REVIEW)
        assert await FaceVector.filter(photo_id=check.selfie_photo_id).exists()
    await children.close()
