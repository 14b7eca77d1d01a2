"""The gateway that the settings choose."""

from bot.gateways.payouts.bank_file import BankFileGateway
from bot.gateways.payouts.inquiry import HttpInquiry
from bot.gateways.payouts.sandbox import SandboxGateway
from bot.gateways.payouts.xendit import XenditGateway
from bot.settings import Settings
from domain.ports import PayoutGateway


def chosen(settings: Settings) -> PayoutGateway:
    """Raises ValueError where a part of its settings is missing."""
    side_by_side, pace = settings.payout_side_by_side, settings.payout_pace
    inquiry = HttpInquiry(settings.account_inquiry_url, settings.account_inquiry_token.get_secret_value())
    match settings.payout_gateway:
        case "xendit":
            key = settings.xendit_key.get_secret_value()
            if not (key and settings.xendit_callback_token.get_secret_value()):
                raise ValueError(
                    "GELOMBANG_PAYOUT_GATEWAY=xendit needs GELOMBANG_XENDIT_KEY and GELOMBANG_XENDIT_CALLBACK_TOKEN"
                )
            url = settings.xendit_url
            return XenditGateway(key, inquiry, side_by_side=side_by_side, a_second=pace, url=url)
        case "file":
            return BankFileGateway(settings.bank_files_dir, settings.bank_file_layout, inquiry)
    return SandboxGateway(settings.sandbox_bank_url, settings.bank_secret(), side_by_side=side_by_side, a_second=pace)
