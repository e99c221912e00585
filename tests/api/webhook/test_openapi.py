"""The OpenAPI document of all webhooks, and whether the server keeps to it.

OPENAPI_EXAMPLES=500 makes the long run: every method, and so many random requests for each operation beside the
systematic ones.
"""

import os
import sys
from pathlib import Path
from subprocess import STDOUT

import trio
from jsonschema import Draft202012Validator

from .house import USER, Clock, flow, open_house

PATH = "/api/v1/main/webhooks/openapi.json"


async def test_the_document_describes_every_webhook(tmp_path: Path) -> None:
    """
    Methods, schemas, credentials and answers of each webhook are there, and no key and no secret is.
    """
    sources = (
        flow("schema: {type: object, required: [id]}\nmethods: [POST]\nwait: true\ntimeout: PT5S"),
        flow("signature: {preset: GITHUB, secret: top-secret}\nrateLimit: {limit: 5}", name="g"),
        flow(
            "authentication: [{type: BASIC, username: u, password: pass-word}, {type: HEADER, name: X-K, "
            "value: v-v-v}]",
            name="h",
        ),
    )
    async with open_house(tmp_path, *sources) as house:
        assert (await house.client.get(PATH)).status_code == 401
        answer = await house.client.get(PATH, auth=USER)
        document = answer.json()
        assert document["openapi"] == "3.1.0"
        paths = document["paths"]
        first = paths["/api/v1/main/executions/webhook/t/f/{key}"]
        assert set(first) == {"summary", "parameters", "post"}
        schema = first["post"]["requestBody"]["content"]["application/json"]["schema"]
        Draft202012Validator.check_schema(schema)
        assert schema["required"] == ["id"]
        assert {"200", "202", "404", "422", "500"} <= set(first["post"]["responses"])
        second = paths["/api/v1/main/executions/webhook/t/g/{key}"]["post"]
        assert second["security"] == [{"signature-GITHUB": []}]
        assert {"401", "429"} <= set(second["responses"])
        assert document["components"]["securitySchemes"]["signature-GITHUB"]["name"] == "X-Hub-Signature-256"
        third = paths["/api/v1/main/executions/webhook/t/h/{key}"]["get"]
        assert third["security"] == [{"BASIC": []}, {"HEADER-X-K": []}]
        for secret in ("top-secret", "pass-word", "v-v-v"):
            assert secret not in answer.text


TRIGGERS = {
    "plain": "", "wait": "wait: true\ntimeout: PT5S", "dedup": "deduplication: {required: true}\nrateLimit: {limit: 9}",
    "strict": "strictJson: true\nschema: {type: object, required: [a], properties: {a: {type: integer}}}",
    "events": "cloudEvents: REQUIRED\naccept: [application/json, application/cloudevents+json]",
    "signed": "signature: {preset: STANDARD_WEBHOOKS, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
    "known": "authentication: [{type: BASIC, username: u, password: pass-word}, {type: QUERY, name: q, value: abc}]",
    "shake": "handshake: [GRAPH, DROPBOX, OKTA, {type: META, verifyToken: abc}]\ncors: {origins: ['*']}",
    "own": 'wait: true\nresponse: {code: 201, headers: {X: "{{ trigger.body ?? 1 }}"}, body: done}',
    "unmet": "when: \"{{ trigger.body.a == 1 }}\"\nonMismatch: {code: 299}\nmethods: [POST, PATCH, DELETE]",
    "store": "fetchType: STORE\nbodyLimit: 100",
}  # fmt: skip
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "allow_header_conformance,unsupported_method"
)
SETTINGS = """
[parameters]
"path.key" = "k"
[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
[[operations]]
include-name-regex = "/t/own/"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 500, 503]
"""


async def test_the_server_keeps_to_its_document(tmp_path: Path) -> None:
    """
    schemathesis sends what the document allows and what it does not: every answer's status, media type and problem
    document are described, none is an error of the server, and none fails to come.
    """
    examples = int(os.environ.get("OPENAPI_EXAMPLES", "2"))
    sources = [flow(trigger, name=name) for name, trigger in TRIGGERS.items()]
    async with open_house(tmp_path, *sources, clock=Clock().tick()) as house:
        document, settings = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
        document.write_bytes((await house.client.get(PATH, auth=USER)).content)
        settings.write_text(SETTINGS)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "run", str(document),
            "--url", str(house.client.base_url), "--phases", "coverage,fuzzing", "--max-examples", str(examples),
            "--checks", CHECKS, "--request-timeout", "10", "--no-color", "--continue-on-failure", "--warnings", "off",
        ]  # fmt: skip
        if "OPENAPI_EXAMPLES" not in os.environ:
            command += ["--seed", "1", "--include-method", "POST"]
        told = await trio.run_process(command, capture_stdout=True, stderr=STDOUT, check=False)
        report = told.stdout.decode()
        if "OPENAPI_EXAMPLES" in os.environ:
            print(report[report.index("= SUMMARY") :])
        assert told.returncode == 0, report
        assert (await house.send(flow="plain")).status_code == 200
