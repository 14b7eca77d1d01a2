"""Refusals that a person reads."""


class DomainError(Exception):
    """An answer or action that the rules refuse.

    ``code`` is the message key of what the person reads; ``params`` fill its placeholders and may be personal,
    so they are never part of ``str(error)``.
    """

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.params = params
