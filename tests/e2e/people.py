"""One applicant with a card, a selfie and a turned head, in real pictures."""

from functools import cache

from PIL import ImageOps

from tests.cards import PrintedCard, person, render
from tests.photos import FACES, jpeg, picture

SITI = person(3)
FRONT, TURNED, STRANGER = "p080_1", "p080_0", "p005_0"  # turned to her own right


@cache
def card(printed: PrintedCard = SITI) -> bytes:
    """A photo of the card; its portrait is another picture of her than the selfie, as it is in life."""
    return render(printed, 3, 0.2, FACES / "images" / f"{TURNED}.jpg")


@cache
def selfie() -> bytes:
    """Her face from the front."""
    return jpeg(picture(FRONT))


@cache
def stranger() -> bytes:
    """Somebody else."""
    return jpeg(picture(STRANGER))


@cache
def head(to_the_left: bool) -> bytes:
    """Her face turned; what a mirror makes of it is the other side."""
    turned = picture(TURNED)
    return jpeg(ImageOps.mirror(turned) if to_the_left else turned)
