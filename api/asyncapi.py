"""The AsyncAPI 3 document: where events go out, and in which form."""

from __future__ import annotations

from typing import Any

from projections.events import ONE

Json = dict[str, Any]


def asyncapi(version: str, types: list[str]) -> Json:
    """The document, for a version of the service and the event types that it has."""
    cloudevent: Json = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "sequence", "knownat", "data"],
        "properties": {
            "specversion": {"const": "1.0"}, "id": {"type": "string", "description": "the event's id: subject@version"},
            "source": {"const": "/v1/events"}, "type": {"type": "string", "enum": types}, "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time", "description": "when it was recorded"},
            "datacontenttype": {"const": "application/json"}, "dataschema": {"type": "string", "format": "uri-reference"},
            "sequence": {"type": "string", "description": "the log position, in order as text"},
            "validfrom": {"type": "string", "format": "date"}, "knownat": {"type": "string", "format": "date"},
            "data": {"type": "object", "description": "the event as GET /v1/events tells it; its schema is at `dataschema`"}}}
    message = {"$ref": "#/components/messages/event"}
    channel = {"messages": {"event": message}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tarikh", "version": version, "description": "Events of the log, each at least once, in order within its subject.",
                 "license": {"name": "Apache-2.0"}},
        "defaultContentType": ONE,
        "channels": {
            "stream": {"address": "/v1/events/stream", "description": "Server-Sent Events; `id` is the log position", **channel},
            "webhook": {"address": "{url}", "parameters": {"url": {"description": "the address that was subscribed"}},
                        "description": "Standard Webhooks: signed POST requests", **channel},
            "jetstream": {"address": "{stream}.{type}", "parameters": {
                "stream": {"description": "name of the JetStream stream", "default": "tarikh"},
                "type": {"description": "event type with its version"}},
                "description": "NATS JetStream; `Nats-Msg-Id` is the event's id", **channel}},
        "operations": {name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in ("stream", "webhook", "jetstream")},
        "components": {"messages": {"event": {"name": "event", "contentType": ONE, "payload": cloudevent}}},
    }
