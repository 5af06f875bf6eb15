"""The description of the API: valid and whole, and a running server keeps to it, whatever it is asked."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import BaseSchema, Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobs.job import Status
from jobs.protocol import events, response
from jobs.protocol.ids import new_job_id
from jobs.requests import generation
from jobs.requests.job_request import JobRequest
from jobs.requests.plan import Plan
from jobs.requests.prompt_folder import Prompts
from jobs.storage.statistics import QUEUES, Statistics
from tests.support.markup import Markup
from tests.support.stack import Stack, running_stack
from tests.support.up import ROOT, clean_environment
from tests.support.wire import create, fetch
from tests.support.wire import request as ask
from web.api.examples import BODIES, body_of, examples
from web.api.openapi import describe

# In a process of its own: an application starts threads.
LIST_ROUTES = """
from web.app import create_app
for rule in create_app().url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        print(method, rule.rule)
"""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What a server with the built-in prompts can do: the description allows all that may be asked of any.
CAN_BE_MET: dict[str, dict[str, Any]] = {
    "CreateRequest": {
        "model": {"type": "null"},
        "input": {"type": "string", "pattern": "^[a-z]{1,9} .{0,9}$"},
        "prompt": {"enum": [None, {"id": "story", "version": None, "variables": {"topic": "rain", "words": 90}}]},
        "previous_response_id": {"type": "null"},
        "tool_choice": {"enum": [None, "none", "auto"]},
        "store": {"enum": [None, True]},
        "penstock": {"enum": [None, {"review": False}]},
    },
    "ChatRequest": {"messages": {"const": [{"role": "user", "content": "rain [[demo tokens=3]]"}]}},
    "TextFormat": {"type": {"enum": ["text", "json_object"]}},
    "Form": {
        "prompt": {"enum": ["story", "explainer"]},
        "topic": {"type": "string", "pattern": "^[a-z]{3,9}$"},
        "request.model": {"const": ""},
        "request.input": {"type": "string", "pattern": "^[a-z ]{0,9}$"},
        "request.instructions": {"type": "string", "pattern": "^[a-z ]{0,9}$"},
        "request.previous_response_id": {"const": ""},
        "request.temperature": {"enum": ["", "0", "0.7", "2"]},
        "request.top_p": {"enum": ["", "0.5"]},
        "request.max_output_tokens": {"enum": ["", "1", "2000"]},
        "request.reasoning.effort": {"enum": ["", "low", "high"]},
        "request.service_tier": {"enum": ["", "flex"]},
        "request.penstock.review": {"const": ""},
    },
}


def described(mode: str, narrower: dict[str, dict[str, Any]]) -> BaseSchema:
    """A description to test by, which leaves nothing unsaid: a field that it does not name is a fault.

    `narrower` are schemas of properties that stand in for those described.
    """
    api = deepcopy(describe())
    for name, properties in narrower.items():
        schema = api["components"]["schemas"][name]
        assert properties.keys() <= schema["properties"].keys()
        schema["properties"] |= properties
        schema |= {"additionalProperties": False, "required": list(properties)}
    for schema in nested(api["components"]["schemas"]):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
    generation = {"mode": mode, "max-examples": 20, "deterministic": True, "database": "none"}
    # What the phase of coverage enumerates would be sent as well, however few examples are asked for.
    phases = {"coverage": {"enabled": False}}
    config = schemathesis.Config.from_dict({"seed": 1, "generation": generation, "phases": phases})
    return schemathesis.openapi.from_dict(api, config=config)


def nested(value: Any) -> Iterator[dict[str, Any]]:
    """A value and all that is in it, as far as they are objects."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from nested(inner)


ANYTHING = described("all", {})
POSSIBLE = described("positive", CAN_BE_MET)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in describe()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_what_is_described_is_what_there_is(penstock: Stack) -> None:
    environment = clean_environment(
        PENSTOCK_DATA=str(penstock.directory), PENSTOCK_REDIS_URL=penstock.settings.redis_url
    )
    listed = subprocess.run(
        [sys.executable, "-c", LIST_ROUTES], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    routes = {re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", line) for line in listed.stdout.splitlines()}
    assert routes - {"GET /static/{filename}"} == {f"{method} {path}" for method, path, _ in operations()}


def test_the_description_is_valid_and_whole() -> None:
    api = describe()
    ANYTHING.validate()
    parts = {kind: set(api["components"][kind]) for kind in ("schemas", "parameters", "responses")}
    for schema in api["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    used = {found["$ref"] for found in nested(api) if "$ref" in found}
    # Whose place in a stream of events only words can name.
    used |= {f"#/components/schemas/{name}" for name in ("Event", "OutputText", "ReasoningText")}
    assert used == {f"#/components/{kind}/{name}" for kind, names in parts.items() for name in names}
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


def test_every_field_of_a_request_is_explained() -> None:
    fields = describe()["components"]["schemas"]["CreateRequest"]["properties"]
    assert [name for name, schema in fields.items() if "description" not in schema] == []


def test_every_example_is_a_request_that_is_described() -> None:
    schemas = describe()
    for method, path, operation in operations():
        if operation["operationId"] in BODIES:
            body = body_of(operation)
            reference = operation["requestBody"]["content"]["application/json"]["schema"]
            Draft202012Validator({**reference, "components": schemas["components"]}).validate(json.loads(body))
        shown = examples("http://127.0.0.1:8000/", method, path, operation)
        assert list(shown) == ["curl", "Python", "Node"]
        ast.parse(shown["Python"])
        assert all(re.sub(r"\{\w+\}", "ID", path) in code for code in shown.values())


def test_no_name_stands_for_two_schemas() -> None:
    ours = set(describe()["components"]["schemas"])
    written = set(
        re.findall(r"^\[components\.schemas\.(\w+)\]$", (ROOT / "web/api/openapi.toml").read_text(), re.MULTILINE)
    )
    models = {
        *generation.CreateRequest.model_json_schema()["$defs"],
        *Plan.model_json_schema()["$defs"],
        "Plan",
        "ShareRequest",
        "RewriteRequest",
        "VersionChoice",
        "Question",
    }
    assert ours == written | models | {"CreateRequest"}
    assert not written & (models | {"CreateRequest"})


def test_the_fields_of_a_response_are_those_that_are_built() -> None:
    asked = generation.parse(b'{"input": "x"}')
    built = response.initial(new_job_id(), 0, JobRequest.from_create(asked, Prompts(None), default_model="demo"))
    schema = describe()["components"]["schemas"]["Response"]
    assert set(schema["required"]) == set(schema["properties"]) == set(built)


def test_the_words_of_the_description_are_those_of_the_code() -> None:
    schemas = describe()["components"]["schemas"]
    kinds = {value for name, value in vars(events).items() if name.isupper() and str(value).startswith("response.")}
    assert set(schemas["Event"]["properties"]["type"]["enum"]) == kinds
    assert schemas["Status"]["enum"] == list(Status)


def test_errors_are_the_envelope_everywhere_but_on_pages() -> None:
    for method, path, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "400" and "$ref" not in answer:
                assert path == "/readyz" or "text/html" in answer["content"], (method, path, status)
    for status, answer in describe()["components"]["responses"].items():
        if status >= "400" and status != "414":  # of the server, which has not read the request
            assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


def test_what_is_open_to_all_is_what_the_description_says(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", workers=0, PENSTOCK_AUTH="keys") as locked:
        for method, path, operation in operations():
            address = path.replace("{job_id}", new_job_id()).replace("{suffix}", "md")
            with ask(locked.url, address, method=method) as answer:
                refused = answer.status == 401 and answer.headers.get_content_type() == "application/json"
                assert refused == (operation.get("security") != []), (method, path, answer.status)
                assert str(answer.status) in operation["responses"]


def neutral(case: Case[Any]) -> Case[Any]:
    """The case without a wish for a stream: those have tests of their own."""
    for fields in (case.query, case.body):
        if isinstance(fields, dict):
            fields.pop("stream", None)
    return case


@ANYTHING.parametrize()
def test_every_answer_is_as_described(case: Case[Any], penstock: Stack) -> None:
    answer = neutral(case).call(penstock.url, allow_redirects=False)
    if answer.status_code != 414:  # gunicorn's own: no line of a request may be so long
        case.validate_response(answer, checks=CHECKS)
    if case.path == "/system/queues":
        for queue in QUEUES:
            Statistics(penstock.database).resume(queue)  # else nothing that is asked after this would end


@POSSIBLE.include(method="POST", path=["/v1/responses", "/jobs"]).parametrize()
def test_what_can_be_met_is_met(case: Case[Any], penstock: Stack) -> None:
    case.headers.pop("Idempotency-Key", None)  # which could have been another body's
    answer = neutral(case).call_and_validate(penstock.url, checks=CHECKS, allow_redirects=False)
    assert answer.status_code in (200, 303), answer.text


SUFFIXES = describe()["components"]["parameters"]["suffix"]["schema"]["enum"]
JOBS = st.sampled_from(
    [
        {"input": "ended [[demo tokens=3 think=2]]", "background": False},
        {"input": "failed [[demo status=400]]", "background": False},
        {"input": "cut off [[demo tokens=3 filter=2]]", "background": False},
        {"input": "running [[demo rate=20 tokens=10]]", "background": True},
        {"prompt": {"id": "story", "variables": {"topic": "rain"}}, "background": True},
    ]
)


@ANYTHING.include(path_regex=r"\{job_id\}").parametrize()
@ANYTHING.given(asked=JOBS, suffix=st.sampled_from(SUFFIXES))
def test_every_answer_about_a_job_that_exists_is_as_described(
    case: Case[Any], penstock: Stack, asked: dict[str, Any], suffix: str
) -> None:
    known = {"job_id": create(penstock.url, **asked)["id"], "suffix": suffix, "section": 1}
    case.path_parameters = {name: known[name] for name in case.path_parameters}
    answer = neutral(case).call_and_validate(penstock.url, checks=CHECKS, allow_redirects=False)
    assert answer.status_code != 404


def test_the_page_shows_all_of_it_and_needs_no_script(penstock: Stack) -> None:
    with ask(penstock.url, "/openapi") as answer:
        assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
        text = answer.read().decode()
    elements = Markup(text).elements
    ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
    named = [(element.tag, element.attributes.get("href")) for element in elements if "href" in element.attributes]
    loaded = [href for tag, href in named if tag != "a"]
    loaded += [element.attributes["src"] for element in elements if "src" in element.attributes]
    assert all("src" in element.attributes for element in elements if element.tag == "script")
    assert all(address and address.startswith("/static/") for address in loaded)
    assert len(set(ids)) == len(ids)
    assert {href[1:] for tag, href in named if tag == "a" and href and href.startswith("#")} <= set(ids)
    for method, path, operation in operations():
        assert f"<code>{method} {path}</code></h2>" in text
        assert operation["operationId"] in ids
    assert set(describe()["components"]["schemas"]) <= set(ids)
    assert fetch(penstock.url, "/openapi.json") == (200, json.loads(json.dumps(describe())))
