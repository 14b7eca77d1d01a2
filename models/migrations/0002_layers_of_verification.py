from tortoise import migrations
from tortoise.migrations import operations as ops
from models.fields import EncryptedText
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0001_initial')]

    initial = False

    operations = [
        ops.CreateModel(
            name='CardReading',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation', fields.ForeignKeyField('models.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name='card_readings', on_delete=OnDelete.RESTRICT)),
                ('photo_id', fields.CharField(unique=True, max_length=32)),
                ('found', fields.BooleanField()),
                ('was_read', fields.CharField(default='', max_length=80)),
                ('confirmed', fields.CharField(default='', max_length=80)),
                ('corrected', fields.CharField(default='', max_length=80)),
                ('seconds', fields.FloatField()),
                ('read_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'card_reading', 'app': 'models', 'pk_attr': 'id', 'table_description': 'How well a card was read: names of the fields read, confirmed and corrected, never what they said.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='FaceVector',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation', fields.ForeignKeyField('models.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name='face_vectors', on_delete=OnDelete.RESTRICT)),
                ('photo_id', fields.CharField(unique=True, max_length=32)),
                ('engine', fields.CharField(max_length=32)),
                ('model_sha256', fields.BinaryField()),
                ('vector', fields.BinaryField()),
                ('stored_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'face_vector', 'app': 'models', 'pk_attr': 'id', 'table_description': 'The face on an accepted selfie, for finding the same face again. Vectors of two engines never mix.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='KycReference',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation', fields.ForeignKeyField('models.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name='kyc_references', on_delete=OnDelete.RESTRICT)),
                ('partner', fields.CharField(max_length=32)),
                ('reference_index', fields.BinaryField()),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('expires_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('statement_id', fields.CharField(null=True, max_length=64)),
                ('nik_index', fields.BinaryField(null=True)),
                ('attested_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'kyc_reference', 'app': 'models', 'unique_together': (('reference_index',), ('partner', 'statement_id')), 'pk_attr': 'id', 'table_description': "A one-time reference that a person gives to a partner, and the partner's statement when it has come."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='LayerOutcome',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('person', fields.ForeignKeyField('models.Person', source_field='person_id', db_constraint=True, to_field='id', related_name='outcomes', on_delete=OnDelete.RESTRICT)),
                ('layer', fields.CharField(max_length=16)),
                ('state', fields.CharField(max_length=8)),
                ('reason', fields.CharField(max_length=48)),
                ('detail', fields.CharField(default='', max_length=32)),
                ('rules', fields.CharField(max_length=16)),
                ('evidence', fields.BinaryField()),
                ('decided_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('replaced_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'layer_outcome', 'app': 'models', 'indexes': [Index(fields=['person_id', 'replaced_at'])], 'pk_attr': 'id', 'table_description': 'What a layer came to for a person. Rows are only added and the one without ``replaced_at`` holds.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='PersonList',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('code', fields.CharField(unique=True, max_length=32)),
                ('kind', fields.CharField(max_length=16)),
                ('owner', fields.CharField(max_length=120)),
                ('reason_id', fields.CharField(max_length=200)),
                ('reason_en', fields.CharField(max_length=200)),
                ('version_id', fields.BigIntField(null=True)),
            ],
            options={'table': 'person_list', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A list of people that changes who is admitted: exclusion, priority, or households served before.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ListVersion',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('list', fields.ForeignKeyField('models.PersonList', source_field='list_id', db_constraint=True, to_field='id', related_name='versions', on_delete=OnDelete.RESTRICT)),
                ('file_sha256', fields.BinaryField()),
                ('as_of', fields.DateField()),
                ('status', fields.CharField(default='pending', max_length=16)),
                ('taken', fields.IntField(default=0)),
                ('repeated', fields.IntField(default=0)),
                ('refused', fields.IntField(default=0)),
                ('started_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'list_version', 'app': 'models', 'pk_attr': 'id', 'table_description': "One import of a list: the file's hash, its date as the owner says it, and what came of its lines."},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='RegistryAnswer',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('person', fields.OneToOneField('models.Person', source_field='person_id', db_constraint=True, to_field='id', related_name='registry_answer', on_delete=OnDelete.RESTRICT)),
                ('evidence', fields.BinaryField()),
                ('answer', fields.CharField(max_length=200)),
                ('answered_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'registry_answer', 'app': 'models', 'pk_attr': 'id', 'table_description': 'What the civil registry said of a person, field by field (``evidence``: what it was asked about).'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ReviewCase',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('person', fields.ForeignKeyField('models.Person', source_field='person_id', db_constraint=True, to_field='id', related_name='cases', on_delete=OnDelete.RESTRICT)),
                ('layer', fields.CharField(max_length=16)),
                ('reason', fields.CharField(max_length=48)),
                ('others', fields.CharField(default='', max_length=400)),
                ('evidence', fields.BinaryField()),
                ('appeal', fields.BooleanField(default=False)),
                ('hidden', fields.BooleanField(default=False)),
                ('status', fields.CharField(default='pending', max_length=16)),
                ('decision', fields.CharField(null=True, max_length=16)),
                ('opened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('closed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'review_case', 'app': 'models', 'unique_together': (('person_id', 'layer', 'reason', 'evidence', 'appeal'),), 'indexes': [Index(fields=['status', 'id'])], 'pk_attr': 'id', 'table_description': 'Something a member of staff has to look at. ``others`` names further people it is about (their ids).'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ReviewVote',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('case', fields.ForeignKeyField('models.ReviewCase', source_field='case_id', db_constraint=True, to_field='id', related_name='votes', on_delete=OnDelete.RESTRICT)),
                ('staff', fields.CharField(max_length=64)),
                ('decision', fields.CharField(max_length=16)),
                ('words', EncryptedText(context='review_vote.words')),
                ('voted_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'review_vote', 'app': 'models', 'unique_together': (('case_id', 'staff'),), 'pk_attr': 'id', 'table_description': 'What one member of staff decided on a case, and why, in words the person may read.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='TurnCheck',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('conversation', fields.ForeignKeyField('models.Conversation', source_field='conversation_id', db_constraint=True, to_field='id', related_name='turn_checks', on_delete=OnDelete.RESTRICT)),
                ('selfie_photo_id', fields.CharField(max_length=32)),
                ('turned_photo_id', fields.CharField(max_length=32)),
                ('asked', fields.CharField(max_length=8)),
                ('turn', fields.FloatField()),
                ('score', fields.FloatField()),
                ('verdict', fields.CharField(max_length=16)),
                ('checked_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'turn_check', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A second selfie with the head turned, compared with the first: where it was asked to turn and what was seen.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='VerificationTask',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('person', fields.OneToOneField('models.Person', source_field='person_id', db_constraint=True, to_field='id', related_name='verification', on_delete=OnDelete.RESTRICT)),
                ('asked', fields.IntField(default=1)),
                ('done', fields.IntField(default=0)),
                ('attempts', fields.SmallIntField(default=0)),
                ('due_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'verification_task', 'app': 'models', 'indexes': [Index(fields=['due_at'])], 'pk_attr': 'id', 'table_description': 'A person whose layers are to be looked at, outside any turn (one row a person).'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Person',
            name='card_photo_id',
            field=fields.CharField(null=True, max_length=32),
        ),
        ops.AddField(
            model_name='Person',
            name='kyc_reference_id',
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name='Person',
            name='selfie_photo_id',
            field=fields.CharField(null=True, max_length=32),
        ),
        ops.AddField(
            model_name='Person',
            name='turned_photo_id',
            field=fields.CharField(null=True, max_length=32),
        ),
        ops.AddIndex(
            model_name='Person',
            index=Index(fields=['card_photo_id']),
        ),
        ops.AddIndex(
            model_name='Photo',
            index=Index(fields=['sha256']),
        ),
        ops.AddField(
            model_name='PhotoTask',
            name='asked',
            field=fields.CharField(null=True, max_length=8),
        ),
        ops.AddField(
            model_name='PhotoTask',
            name='selfie_photo_id',
            field=fields.CharField(null=True, max_length=32),
        ),
    ]
