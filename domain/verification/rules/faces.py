"""When a photo will do, and when two faces are one person's. Pure; numbers from measured photos (docs/faces.md)."""

import secrets

from domain.errors import DomainError
from domain.ports import FaceFacts
from domain.programme import FaceRules
from models.enums import FaceVerdict, Side, TurnVerdict

MIN_SCORE = 0.85
MIN_EYE_DISTANCE = 25
MIN_EYE_DISTANCE_LARGE = 40
LARGE_PHOTO = 480
MIN_SHARPNESS = 30
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 50, 210
MAX_ROLL = 25
MAX_YAW = 0.4
SECOND_FACE = 0.7
MIN_CARD_EYE_DISTANCE = 14


def check_selfie(facts: FaceFacts) -> None:
    """Refuse a selfie that can't be compared, with the one thing to do better; honest people first."""
    if facts.faces == 0 or facts.score < MIN_SCORE:
        raise DomainError("photo.no_face")
    if facts.second >= SECOND_FACE:
        raise DomainError("photo.several_faces")
    large = min(facts.width, facts.height) >= LARGE_PHOTO
    if facts.eye_distance < (MIN_EYE_DISTANCE_LARGE if large else MIN_EYE_DISTANCE):
        raise DomainError("photo.face_too_small")
    if facts.brightness < MIN_BRIGHTNESS:
        raise DomainError("photo.too_dark")
    if facts.brightness > MAX_BRIGHTNESS:
        raise DomainError("photo.too_bright")
    if abs(facts.roll) > MAX_ROLL or abs(facts.yaw) > MAX_YAW:
        raise DomainError("photo.turned_away")
    if facts.sharpness < MIN_SHARPNESS:
        raise DomainError("photo.blurred")


def portrait_problem(facts: FaceFacts) -> str:
    """Why a card photo's portrait can't be compared, as a message key; empty where it can. It is small and grey by
    nature.
    """
    if facts.faces == 0:
        return "photo.card_no_face"
    return "photo.card_too_small" if facts.eye_distance < MIN_CARD_EYE_DISTANCE else ""


def face_verdict(score: float | None, tries: int, rules: FaceRules) -> FaceVerdict:
    """What a similarity means at the nth try: near misses go to staff only when better photos did not help.

    None: the card shows no portrait to compare with, so that staff have to look. So have they where the two are as
    alike as only copies of one picture are.
    """
    if score is None or score >= rules.same_picture:
        return FaceVerdict.REVIEW
    if score >= rules.same:
        return FaceVerdict.SAME
    if score >= rules.accept or (score >= rules.review and tries >= rules.tries):
        return FaceVerdict.REVIEW
    return FaceVerdict.DIFFERENT


def turn_verdict(before: float, after: float, asked: Side, score: float, rules: FaceRules) -> TurnVerdict:
    """What a second selfie shows: whose face, and whether the head has turned since the first one.

    ``before`` and ``after`` are yaws. They grow when somebody turns to their own left; a front camera that mirrors
    makes it the right. The second must be turned further than the first: a mirror image of it is not.
    """
    turn = after - before
    if abs(turn) < rules.turned or abs(after) - abs(before) < rules.turned:
        return TurnVerdict.STRAIGHT
    if score < rules.turned_same:
        return TurnVerdict.DIFFERENT
    seen = Side.LEFT if turn > 0 else Side.RIGHT
    return TurnVerdict.AS_ASKED if seen == asked else TurnVerdict.OPPOSITE


def check_turned(facts: FaceFacts) -> None:
    """Refuse a second selfie on which no single face can be compared; it is turned away on purpose."""
    if facts.faces == 0:
        raise DomainError("photo.no_face_turned")
    if facts.second >= SECOND_FACE:
        raise DomainError("photo.several_faces")
    if facts.brightness < MIN_BRIGHTNESS:
        raise DomainError("photo.too_dark")


def pick_side() -> Side:
    """Left or right by chance, so that no picture made ahead fits."""
    return secrets.choice(list(Side))
