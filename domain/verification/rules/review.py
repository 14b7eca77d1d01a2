"""When a case is decided. Pure."""

from collections import Counter
from collections.abc import Sequence

from models.enums import Decision, Layer

# A rejection that rests on a face alone needs two people: error rates differ by population (docs/faces.md).
TWO_TO_REJECT = frozenset({Layer.FACE, Layer.UNIQUE})


def decided(votes: Sequence[Decision], layer: Layer) -> Decision | None:
    """What the votes come to, in the order they were given; None while another member of staff has to look."""
    if not votes:
        return None
    decision, count = Counter(votes).most_common(1)[0]
    agree = count == len(votes)
    needed = 2 if not agree or (decision == Decision.REJECT and layer in TWO_TO_REJECT) else 1
    return decision if count >= needed else None
