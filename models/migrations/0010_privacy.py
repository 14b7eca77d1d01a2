from tortoise import migrations
from tortoise.migrations import operations as ops
from models.fields import EncryptedText
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0009_staff')]

    initial = False

    operations = [
        ops.CreateModel(
            name='Alarm',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('kind', fields.CharField(max_length=32)),
                ('subject', fields.CharField(max_length=64)),
                ('day', fields.DateField()),
                ('count', fields.IntField(default=1)),
                ('first_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('last_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('told_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'alarm', 'app': 'models', 'unique_together': (('kind', 'subject', 'day'),), 'pk_attr': 'id', 'table_description': 'Something that looks like an attack. The same ``kind`` and ``subject`` within a day are one row, counted.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='DataLink',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('token_index', fields.BinaryField()),
                ('person_id', fields.BigIntField()),
                ('language', fields.CharField(max_length=8)),
                ('tries', fields.SmallIntField(default=0)),
                ('taken', fields.SmallIntField(default=0)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'data_link', 'app': 'models', 'unique_together': (('token_index',),), 'pk_attr': 'id', 'table_description': "A link to the file of somebody's own data. Only the token's keyed hash is kept."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='DataRequest',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation_id', fields.BigIntField()),
                ('person_id', fields.BigIntField(null=True)),
                ('kind', fields.CharField(max_length=12)),
                ('status', fields.CharField(default='open', max_length=12)),
                ('opened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('due_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('acts_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('holds', fields.CharField(default='', max_length=80)),
                ('words', EncryptedText(null=True, context='data_request.words')),
                ('answer', EncryptedText(null=True, context='data_request.answer')),
                ('closed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('by', fields.CharField(default='', max_length=64)),
            ],
            options={'table': 'data_request', 'app': 'models', 'indexes': [Index(fields=['conversation_id', 'id']), Index(fields=['status', 'due_at'])], 'pk_attr': 'id', 'table_description': 'A right that somebody used in chat, with its clock: it is answered by ``due_at`` (domain.privacy.rules.CLOCK).'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Destruction',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('kind', fields.CharField(max_length=24)),
                ('count', fields.IntField()),
                ('older_than', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('ids', fields.TextField(default='', unique=False)),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('verified_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'destruction', 'app': 'models', 'indexes': [Index(fields=['kind', 'id'])], 'pk_attr': 'id', 'table_description': 'Some data that were destroyed together: of which kind, how many, kept until when. Rows are only added.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='IdentityTry',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation_id', fields.BigIntField()),
                ('nik_index', fields.BinaryField()),
                ('prefix_index', fields.BinaryField()),
                ('at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'identity_try', 'app': 'models', 'indexes': [Index(fields=['conversation_id', 'at']), Index(fields=['prefix_index', 'at']), Index(fields=['at'])], 'pk_attr': 'id', 'table_description': 'A NIK that was sent off for checking, kept for a day to see who tries many: blind indexes only.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='Lease',
            fields=[
                ('name', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=32)),
                ('until', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'lease', 'app': 'models', 'pk_attr': 'name', 'table_description': 'A piece of work and until when some process has it to itself. Who dies loses it then.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='StaffFile',
            fields=[
                ('id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=32)),
                ('stored_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('destroyed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'staff_file', 'app': 'models', 'indexes': [Index(fields=['destroyed_at', 'stored_at'])], 'pk_attr': 'id', 'table_description': 'A file that staff sent in, or that was made for them: sealed, in the media folder, under its id.'},
            bases=['Model'],
        ),
        ops.AddIndex(
            model_name='AuditEntry',
            index=Index(fields=['subject', 'number']),
        ),
        ops.AddField(
            model_name='Broadcast',
            name='shares',
            field=fields.TextField(default='[]', db_default='[]', unique=False),
        ),
        ops.AddIndex(
            model_name='CardReading',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='Consent',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='FaceCheck',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='FaceVector',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='HelpRequest',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='KycReference',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddField(
            model_name='Person',
            name='erased_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Person',
            name='withdrawn_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddIndex(
            model_name='Person',
            index=Index(fields=['withdrawn_at']),
        ),
        ops.AddField(
            model_name='Photo',
            name='conversation_id',
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name='Photo',
            name='destroyed_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddIndex(
            model_name='Photo',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='Photo',
            index=Index(fields=['destroyed_at', 'stored_at']),
        ),
        ops.AddIndex(
            model_name='PhotoTask',
            index=Index(fields=['conversation_id']),
        ),
        ops.AddIndex(
            model_name='TurnCheck',
            index=Index(fields=['conversation_id']),
        ),
    ]
