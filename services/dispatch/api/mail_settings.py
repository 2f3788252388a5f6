"""Which mails an agency gets beside letters."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.dispatch.api.dependencies import Dispatch, EndpointOwner
from services.dispatch.mail_notices import MailKind
from services.dispatch.resources import Resources
from services.dispatch.store import mail_notices
from services.dispatch.store.mail_notices import Wishes

router = APIRouter(prefix="/v1/endpoints/mail", tags=["endpoints"])


class MailSet(BaseModel):
    """What is mailed to your agency's registered address, beside letters."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"reminders": False, "answers": True}]}
    )

    reminders: bool = Field(
        default=True,
        description="Letters that wait for an answer: yours, and those of agencies under you when a reminder escalates.",
    )
    answers: bool = Field(
        default=True,
        description="What somebody has recorded in your name on the page behind a letter's link, or the sender's clerk has.",
    )


class MailOut(BaseModel):
    """What you set, and whether the exchange sends such mails at all."""

    reminders: bool
    answers: bool
    exchange_reminders: bool = Field(description="False: the operator has switched reminders by e-mail off for everybody.")
    exchange_answers: bool


@router.get("", summary="Read which mails your agency gets beside letters")
async def get_mail(caller: EndpointOwner, dispatch: Dispatch) -> MailOut:
    """Whether your agency is mailed reminders, and what others recorded in its name."""
    async with dispatch.database.connection() as connection:
        return _show(await mail_notices.get_wishes(connection, caller.agency()), dispatch)


@router.put("", summary="Set which mails your agency gets beside letters")
async def put_mail(body: MailSet, caller: EndpointOwner, dispatch: Dispatch) -> MailOut:
    """Switch these mails off or on. Letters still come, and the events are told in `GET /v1/events` either way."""
    wishes = Wishes(body.reminders, body.answers)
    async with dispatch.database.transaction() as connection:
        await mail_notices.set_wishes(connection, caller.agency(), wishes)
    return _show(wishes, dispatch)


def _show(wishes: Wishes, dispatch: Resources) -> MailOut:
    on = dispatch.settings.mail_kinds
    return MailOut(
        reminders=wishes.reminders,
        answers=wishes.answers,
        exchange_reminders=MailKind.REMINDED in on,
        exchange_answers=MailKind.ANSWERED in on,
    )
