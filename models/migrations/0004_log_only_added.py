"""The database itself refuses to change or delete entries of the audit log. Who has its password can take that away;
the hash chain then shows it.
"""

from typing import Any

from tortoise import migrations
from tortoise.migrations import operations as ops

# All but the words: those are sealed anew when keys are rotated, and the hash is over what they say.
HASHED = '"number", "at", "by", "action", "subject", "before", "after", "previous", "hash"'
ADD_SQLITE = tuple(
    f"CREATE TRIGGER audit_entry_no_{what} BEFORE {event} ON audit_entry "
    "BEGIN SELECT RAISE(ABORT, 'entries of the log are only added'); END"
    for what, event in (("update", f"UPDATE OF {HASHED}"), ("delete", "DELETE"))
)
ADD_POSTGRES = (
    "CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'entries of the log are only added' USING ERRCODE = 'integrity_constraint_violation'; "
    "END $$",
    f"CREATE TRIGGER audit_entry_only_added BEFORE UPDATE OF {HASHED} OR DELETE OR TRUNCATE ON audit_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()",
)
UNDO_SQLITE = tuple(f"DROP TRIGGER audit_entry_no_{what}" for what in ("update", "delete"))
UNDO_POSTGRES = ("DROP TRIGGER audit_entry_only_added ON audit_entry", "DROP FUNCTION refuse_change_of_log()")


async def add(_apps: Any, editor: Any) -> None:
    for statement in ADD_POSTGRES if editor.client.capabilities.dialect == "postgres" else ADD_SQLITE:
        await editor.client.execute_script(statement)


async def remove(_apps: Any, editor: Any) -> None:
    for statement in UNDO_POSTGRES if editor.client.capabilities.dialect == "postgres" else UNDO_SQLITE:
        await editor.client.execute_script(statement)


class Migration(migrations.Migration):
    dependencies = [('models', '0003_checks')]

    initial = False

    operations = [ops.RunPython(add, remove)]
