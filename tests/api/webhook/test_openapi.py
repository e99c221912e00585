"""The OpenAPI document of all webhooks."""

from pathlib import Path

from jsonschema import Draft202012Validator

from .house import USER, flow, open_house

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
