"""What the API answers with: the shapes of INTERFACE, field by field, and their meanings for the documentation."""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, fields

from orchestrator.api.fields import Time, said, word
from orchestrator.core.states import RunState, TaskState, Verdict


class Problem(Schema):
    """RFC 9457; some kinds have members of their own, as `verdict` or `parts`."""

    class Meta:
        unknown = INCLUDE

    type = fields.String(required=True, metadata=said("A URI reference that identifies the kind of problem."))
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(metadata=said("What was wrong this time, and what is allowed."))
    errors = fields.Dict(
        keys=fields.String(), values=fields.List(fields.String()), metadata=said("Sentences by field.")
    )


def failure() -> fields.Dict:
    """An error as it is stored: code, message and what else is known."""
    return fields.Dict(allow_none=True, metadata=said("`{code, message, ...}`, or null."))


class Task(Schema):
    id = fields.UUID()
    run_id = fields.UUID()
    step = fields.String()
    item = fields.Integer(metadata=said("Which of a fanned-out step's items, from 0."))
    attempt = fields.Integer(metadata=said("From 1; a retry is another task."))
    kind = fields.String(metadata=said("provider, choose or archive."))
    action = fields.String()
    state = word(TaskState)
    waiting_for = fields.String(allow_none=True, metadata=said("What has to happen next, in words."))
    wake_at = Time(allow_none=True, metadata=said("When somebody looks at it again at the latest."))
    deadline_at = Time(allow_none=True, metadata=said("When it is given up."))
    progress = fields.Integer(metadata=said("0 to 100; never falls."))
    account = fields.String(allow_none=True)
    provider = fields.String(allow_none=True)
    external_id = fields.String(allow_none=True, metadata=said("The provider's id of the job."))
    submissions = fields.Integer(metadata=said("How often it was sent, or a local act begun."))
    superseded = fields.Boolean(metadata=said("A retry has replaced it."))
    created_at = Time()
    submitted_at = Time(allow_none=True)
    finished_at = Time(allow_none=True)
    result = fields.Dict(allow_none=True, metadata=said("In neutral names, whatever the provider."))
    error = failure()


class TaskWithParams(Task):
    params = fields.Dict(metadata=said("What was rendered when it was opened: `with`, `parent`, `quadrant`..."))


class Object(Schema):
    """An archived image."""

    uri = fields.String()
    sha256 = fields.String()
    bytes = fields.Integer()
    width = fields.Integer()
    height = fields.Integer()
    content_type = fields.String()
    source_url = fields.String()
    task_id = fields.UUID(metadata=said("The task that archived it."))
    source_task_id = fields.UUID(allow_none=True, metadata=said("The task whose image it is."))
    archived_at = Time()


class Run(Schema):
    id = fields.UUID()
    pipeline = fields.String()
    version = fields.Integer()
    state = word(RunState)
    inputs = fields.Dict(
        metadata=said(
            "In a list, of a value over 2,000 characters (of a list or an object: as JSON) the first 200 stand as "
            "text, and how many there are: `iVBORw0KGgo... (1000000 characters)`. A run on its own shows them whole."
        )
    )
    labels = fields.Dict(keys=fields.String(), values=fields.String())
    accounts = fields.List(fields.String(), metadata=said("In place of the pipeline's, if any."))
    priority = fields.Integer()
    created_at = Time()
    finished_at = Time(allow_none=True)
    error = failure()
    erased_at = Time(allow_none=True, metadata=said("Since when prompts, addresses and raw bytes are erased, if so."))
    erased_by = fields.String(allow_none=True, metadata=said("The name of the API token."))
    tasks = fields.List(fields.Nested(Task), metadata=said("In the order of their opening, superseded ones included."))
    archive = fields.List(fields.Nested(Object))
    cost = fields.Float(
        allow_none=True, metadata=said("By the accounts' prices; null when an accepted action has none.")
    )


class Transition(Schema):
    from_state = fields.String(allow_none=True, data_key="from")
    to_state = fields.String(data_key="to")
    cause = fields.String()
    at = Time()


class Callback(Schema):
    id = fields.UUID()
    account = fields.String()
    task_id = fields.UUID(allow_none=True)
    external_id = fields.String(allow_none=True)
    source = fields.String(metadata=said("callback, poll, stream, submit, person..."))
    verdict = word(Verdict)
    reason = fields.String(allow_none=True)
    content_type = fields.String(allow_none=True)
    sha256 = fields.Function(lambda row: bytes(row["digest"]).hex(), metadata={"type": "string"})
    size = fields.Integer(metadata=said("Bytes delivered."))
    kept = fields.Integer(metadata=said("Bytes stored: fewer for a large body that could not be read."))
    stripped = fields.Boolean(metadata=said("Body and events are no longer kept: for age, or for erasure."))
    copies = fields.Integer(metadata=said("How often the same bytes came."))
    received_at = Time()
    dismissed_at = Time(allow_none=True, metadata=said("When a person dismissed it."))


class CallbackWithBody(Callback):
    encoding = fields.String(metadata=said("Of `body`: utf-8 (it is the text) or base64."))
    body = fields.String(metadata=said("Byte for byte for operators and admins."))
    events = fields.List(fields.Dict(), metadata=said("What was understood."))
    masked = fields.Boolean(metadata=said("For a viewer: tokens of ours in `body` and `events` are shown as `***`."))


class Taken(Schema):
    """What became of a delivery that was taken again."""

    verdict = word(Verdict)
    reason = fields.String(allow_none=True)
    task_id = fields.UUID(allow_none=True)


class History(Schema):
    transitions = fields.List(fields.Nested(Transition), metadata=said("Oldest first."))
    callbacks = fields.List(fields.Nested(Callback), metadata=said("The newest 200, newest first."))


class Pipeline(Schema):
    name = fields.String()
    version = fields.Integer()
    description = fields.Function(lambda row: row["document"].get("description", ""), metadata={"type": "string"})
    created_at = Time()


class PipelineWithDocument(Pipeline):
    document = fields.Dict()


class Valid(Schema):
    valid = fields.Boolean()
    name = fields.String()
    steps = fields.List(fields.String(), metadata=said("In the order of the graph."))


class Account(Schema):
    name = fields.String()
    provider = fields.String()
    configured = fields.Boolean(metadata=said("False: the configuration does not name it any more."))
    slots = fields.Integer(metadata=said("Submissions in flight at once."))
    in_use = fields.Integer()
    submits_per_second = fields.Float(allow_none=True)
    modes = fields.Dict(metadata=said("The modes with limits of their own: slots, submits_per_second."))
    paused = fields.Boolean()
    paused_until = Time(allow_none=True)
    paused_reason = fields.String(allow_none=True)


def page_of(item: Schema) -> Schema:
    """A page of such items."""
    members: dict[str, Any] = {
        "items": fields.List(fields.Nested(item)),
        "next": fields.String(allow_none=True, metadata=said("The cursor of the next page; null at the end.")),
    }
    return Schema.from_dict(members, name=f"{type(item).__name__}Page")()
