from tortoise import migrations
from tortoise.migrations import operations as ops
from models.fields import EncryptedText
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0008_payouts')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Assisted',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation_id', fields.BigIntField(unique=True)),
                ('by', fields.CharField(max_length=64)),
                ('consent', EncryptedText(context='assisted.consent')),
                ('started_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'assisted', 'app': 'models', 'pk_attr': 'id', 'table_description': "A registration that staff typed in for somebody without a phone of their own, with that person's consent."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AuditEntry',
            fields=[
                ('number', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('by', fields.CharField(max_length=64)),
                ('action', fields.CharField(max_length=48)),
                ('subject', fields.CharField(max_length=80)),
                ('before', fields.BinaryField(null=True)),
                ('after', fields.BinaryField(null=True)),
                ('words', EncryptedText(context='audit_entry.words')),
                ('previous', fields.BinaryField()),
                ('hash', fields.BinaryField()),
            ],
            options={'table': 'audit_entry', 'app': 'models', 'indexes': [Index(fields=['by', 'number'])], 'pk_attr': 'number', 'table_description': 'Something a member of staff did. Rows are only added, and each carries the hash of the one before.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='AuditHead',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('day', fields.DateField(unique=True)),
                ('number', fields.BigIntField()),
                ('hash', fields.BinaryField()),
                ('published_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'audit_head', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The end of the audit log on a day, as it was published: whoever keeps it can prove a later change.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Broadcast',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('status', fields.CharField(default='draft', max_length=16)),
                ('segment', fields.TextField(unique=False)),
                ('texts', fields.TextField(unique=False)),
                ('sms', fields.BooleanField(default=False)),
                ('frozen_to', fields.BigIntField(default=0)),
                ('count', fields.IntField(default=0)),
                ('left_out', fields.IntField(default=0)),
                ('released', fields.IntField(default=0)),
                ('digest', fields.BinaryField(null=True)),
                ('prepared_by', fields.CharField(max_length=64)),
                ('prepared_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('approved_by', fields.CharField(default='', max_length=64)),
                ('starts_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('spread', fields.IntField(default=0)),
                ('started_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('ended_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'broadcast', 'app': 'models', 'indexes': [Index(fields=['status'])], 'pk_attr': 'id', 'table_description': 'One text, in each language, to a segment of people.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='BroadcastRecipient',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('broadcast', fields.ForeignKeyField('models.Broadcast', source_field='broadcast_id', db_constraint=True, to_field='id', related_name='recipients', on_delete=OnDelete.RESTRICT)),
                ('person_id', fields.BigIntField()),
                ('channel', fields.CharField(max_length=16)),
                ('language', fields.CharField(max_length=8)),
                ('status', fields.CharField(default='frozen', max_length=12)),
                ('reason', fields.CharField(default='', max_length=64)),
                ('notice_id', fields.BigIntField(null=True)),
            ],
            options={'table': 'broadcast_recipient', 'app': 'models', 'unique_together': (('broadcast', 'person_id'),), 'indexes': [Index(fields=['broadcast_id', 'status', 'id']), Index(fields=['notice_id'])], 'pk_attr': 'id', 'table_description': 'One person a broadcast is for, once. ``notice_id`` is the notice that tells them, once it is on its way.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Figures',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('taken_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('seconds', fields.FloatField()),
                ('body', fields.TextField(unique=False)),
            ],
            options={'table': 'figures', 'app': 'models', 'indexes': [Index(fields=['taken_at'])], 'pk_attr': 'id', 'table_description': 'The programme in figures at one moment, counted in the background. ``body`` is JSON (domain.staff.figures).'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='HelpMessage',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('request', fields.ForeignKeyField('models.HelpRequest', source_field='request_id', db_constraint=True, to_field='id', related_name='messages', on_delete=OnDelete.RESTRICT)),
                ('by', fields.CharField(max_length=64)),
                ('text', EncryptedText(context='help_message.text')),
                ('said_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'help_message', 'app': 'models', 'indexes': [Index(fields=['request_id'])], 'pk_attr': 'id', 'table_description': 'What was said in a talk between a person and a member of staff, ``by`` is empty for the person.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StaffMember',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(unique=True, max_length=40)),
                ('roles', fields.CharField(max_length=200)),
                ('regions', fields.CharField(default='', max_length=200)),
                ('totp_secret', EncryptedText(null=True, context='staff_member.totp_secret')),
                ('totp_used', fields.BigIntField(default=0)),
                ('totp_tries', fields.SmallIntField(default=0)),
                ('locked_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('daily', fields.BooleanField(default=True)),
                ('invited_by', fields.CharField(max_length=64)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('revoked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'staff_member', 'app': 'models', 'pk_attr': 'id', 'table_description': 'Somebody who runs the programme. ``roles`` and ``regions`` (province codes, none: all) are comma-separated.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StaffChat',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('member', fields.ForeignKeyField('models.StaffMember', source_field='member_id', db_constraint=True, to_field='id', related_name='chats', on_delete=OnDelete.RESTRICT)),
                ('conversation_id', fields.BigIntField(unique=True)),
                ('ends_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('proven_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('told_on', fields.DateField(null=True)),
                ('entered_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'staff_chat', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A conversation in which a member works. ``ends_at``: until then they are signed in, ``proven_at``: their last'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StaffInvite',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('member', fields.ForeignKeyField('models.StaffMember', source_field='member_id', db_constraint=True, to_field='id', related_name='invites', on_delete=OnDelete.RESTRICT)),
                ('token_index', fields.BinaryField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('used_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'staff_invite', 'app': 'models', 'unique_together': (('token_index',),), 'pk_attr': 'id', 'table_description': "A link that lets a member in once. Only the token's keyed hash is kept."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StaffTask',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('member_id', fields.BigIntField()),
                ('conversation_id', fields.BigIntField()),
                ('kind', fields.CharField(max_length=24)),
                ('arguments', EncryptedText(context='staff_task.arguments')),
                ('status', fields.CharField(default='pending', max_length=16)),
                ('attempts', fields.SmallIntField(default=0)),
                ('result', EncryptedText(null=True, context='staff_task.result')),
                ('lease_until', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('asked_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('done_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'staff_task', 'app': 'models', 'indexes': [Index(fields=['status', 'lease_until'])], 'pk_attr': 'id', 'table_description': 'Slow work that a member of staff asked for, done outside any turn and told in their chat.'},
            bases=['Model'],
        ),
        ops.AlterModelOptions(
            name='HelpRequest',
            options={'table': 'help_request', 'app': 'models', 'indexes': [Index(fields=['status', 'opened_at'])], 'pk_attr': 'id', 'table_description': 'Somebody asked to talk to a person. ``taken_by`` is who talks with them, ``rating`` 1 to 5 what they thought of'},
        ),
        ops.AddField(
            model_name='HelpRequest',
            name='rating',
            field=fields.SmallIntField(null=True),
        ),
        ops.AddField(
            model_name='HelpRequest',
            name='taken_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='HelpRequest',
            name='taken_by',
            field=fields.CharField(default='', db_default='', max_length=64),
        ),
        ops.AddField(
            model_name='HelpRequest',
            name='taken_in',
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name='ReviewCase',
            name='locked_by',
            field=fields.CharField(default='', db_default='', max_length=64),
        ),
        ops.AddField(
            model_name='ReviewCase',
            name='locked_until',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AlterModelOptions(
            name='ReviewVote',
            options={'table': 'review_vote', 'app': 'models', 'unique_together': (('case_id', 'staff'),), 'pk_attr': 'id', 'table_description': 'What one member of staff decided on a case, and why, in words the person may read. ``seconds``: how long they'},
        ),
        ops.AddField(
            model_name='ReviewVote',
            name='seconds',
            field=fields.IntField(null=True),
        ),
    ]
