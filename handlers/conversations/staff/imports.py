"""/impor: the catalogue and lists of people, by sending a file to the bot."""

import msgspec

from domain.errors import DomainError
from domain.staff.rules import Permission
from domain.verification.actions.lists import overview
from handlers.conversation import Act, Choice, Done, Go, Outcome, Say, Step, Turn, pressed
from handlers.conversations.staff import door, tasks
from handlers.conversations.staff.home import MENU

CATALOGUE = "catalogue"
ENDINGS = (".csv", ".xlsx", ".jsonl", ".json", ".txt")
MAX_FILE = 20 * 1024 * 1024


def come_in(turn: Turn) -> Outcome:
    """What the file is."""

    async def action() -> Done:
        choices = [
            Choice(
                f"list_{row.code}",
                "staff.list_choice",
                {"code": row.code, "count_number": version.taken if version else 0},
            )
            for row, version in await overview()
        ]
        screen = Say("staff.imports", choices=(Choice(CATALOGUE, "staff.import_catalogue_button"), *choices, MENU))
        return Go("staff.imports", door.as_view(screen))

    return Act(action)


def take(turn: Turn) -> Outcome:
    """The catalogue, or one of the lists."""
    choice = pressed(turn) or ""
    if choice != CATALOGUE and not choice.startswith("list_"):
        raise DomainError("staff.choose")
    return Go("staff.import_file", {"what": choice})


def ask_file(turn: Turn) -> Say:
    """The file itself."""
    what = turn.draft["what"]
    if what == CATALOGUE:
        return Say("staff.ask_catalogue_file", choices=(MENU,))
    return Say("staff.ask_list_file", {"code": what.removeprefix("list_")}, (MENU,))


def take_file(turn: Turn) -> Outcome:
    """A file of a kind that can be read; it is looked through in the background."""
    file = turn.inbound.file
    if file is None:
        raise DomainError("staff.need_file")
    if not file.name.lower().endswith(ENDINGS):
        raise DomainError("staff.file_kind", name=file.name[:60], endings=", ".join(ENDINGS))
    return tasks.ask(
        turn, "import", what=turn.draft["what"], file=msgspec.to_builtins(file), channel=turn.inbound.channel.value
    )


STEPS = (
    Step(
        "staff.imports",
        door.drawn,
        take,
        accepts=frozenset({"choice"}),
        needs="staff.choose",
        permission=Permission.IMPORT,
    ),
    Step(
        "staff.import_file",
        ask_file,
        take_file,
        accepts=frozenset({"file"}),
        needs="staff.need_file",
        permission=Permission.IMPORT,
    ),
)
