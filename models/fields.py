"""Columns whose content is encrypted."""

from typing import Any

from tortoise import fields
from tortoise.models import Model

from models import crypto


class EncryptedText(fields.BinaryField[Any]):
    """Text in Python, sealed bytes in the database; ``context`` (``table.column``) is bound to the ciphertext."""

    def __init__(self, context: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.context = context

    def to_db_value(self, value: Any, instance: type[Model] | Model) -> bytes | None:
        return None if value is None else crypto.ring().seal(str(value).encode(), self.context.encode())

    def to_python_value(self, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        return crypto.ring().open(bytes(value), self.context.encode()).decode()
