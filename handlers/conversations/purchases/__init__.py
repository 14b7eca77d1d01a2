"""What somebody bought: buying, the redeem code, taking it back, the certificate, stars and a review."""

from handlers.conversations.purchases import buying, certificates, mine, reviewing
from handlers.conversations.purchases.certificates import certificate_outcome
from handlers.conversations.purchases.mine import codes, come_in

__all__ = ["STEPS", "certificate_outcome", "codes", "come_in"]

STEPS = (*mine.STEPS, *buying.STEPS, *certificates.STEPS, *reviewing.STEPS)
