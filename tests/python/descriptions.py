"""Judges the gateway's descriptions by the official schemas, and what comes on its streams by the descriptions.

The argument is the file of AsyncAPI's own schema. Standard input is one JSON object:
    {"openapi": [document, …], "asyncapi": document, "events": [{"event": name, "data": value}, …]}
A mistake is told on standard error, and ends it with status 1.
"""

import json
import sys
from pathlib import Path

from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

# An event without a name is one of the type `message` (WHATWG HTML, section 9.2.6).
PUSH = "message"


def check(validator, value, what):
    for error in validator.iter_errors(value):
        place = "/".join(str(part) for part in error.absolute_path)
        sys.exit(f"{what}: {error.message[:500]} (at {place or 'its root'})")


def messages(document):
    """Every message by the name of its event, with what its data has to be."""
    found = {}
    for key, message in document["components"]["messages"].items():
        # References lead through the whole document.
        schema = {"$ref": f"#/components/messages/{key}/payload", "components": document["components"]}
        found[message["name"]] = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
    return found


def main():
    given = json.load(sys.stdin)
    for document in given["openapi"]:
        validate(document, cls=OpenAPIV31SpecValidator)
    document = given["asyncapi"]
    check(Draft7Validator(json.loads(Path(sys.argv[1]).read_text())), document, "asyncapi.json")
    for channel in document["channels"].values():
        if channel["messages"].keys() != document["components"]["messages"].keys():
            sys.exit(f"{channel['address']} does not name every message")
    known = messages(document)
    for message in document["components"]["messages"].values():
        for example in message["examples"]:
            check(known[message["name"]], example["payload"], f"the example of {message['name']}")
    for event in given["events"]:
        name = event["event"] or PUSH
        if name not in known:
            sys.exit(f"the event {name} is not described")
        check(known[name], event["data"], f"the event {name}")


main()
