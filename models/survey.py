"""Answers to the programme's surveys."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.fields import EncryptedText
from models.person import Person


class SurveyResponse(Model):
    """One person's finished survey: its code, the version of its questions, and the answers as JSON."""

    id = fields.BigIntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="survey_responses", on_delete=fields.RESTRICT
    )
    person_id: int
    survey = fields.CharField(max_length=32)
    version = fields.CharField(max_length=16)
    language = fields.CharField(max_length=8)
    answers = EncryptedText("survey_response.answers")
    started_at = fields.DatetimeField()
    finished_at = fields.DatetimeField()

    class Meta:
        table = "survey_response"
        unique_together = (("person_id", "survey"),)
        indexes = (Index(fields=("survey", "id")),)


class SurveyInvitation(Model):
    """A survey was opened for somebody, and when. Answered, it earns its incentive."""

    id = fields.BigIntField(primary_key=True)
    person: fields.ForeignKeyRelation[Person] = fields.ForeignKeyField(
        "models.Person", related_name="survey_invitations", on_delete=fields.RESTRICT
    )
    person_id: int
    survey = fields.CharField(max_length=32)
    opened_at = fields.DatetimeField()
    closes_at = fields.DatetimeField()

    class Meta:
        table = "survey_invitation"
        unique_together = (("person_id", "survey"),)
        indexes = (Index(fields=("survey", "closes_at")),)
