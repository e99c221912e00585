"""Row 29: Amazon SNS over HTTP, with an injected certificate and without any network."""

import json
from pathlib import Path

import pytest

from hookledger.journal.events import HandshakeAnswered

from ...runtime.triggers.webhook.handshakes.test_sns import PEM, TOPIC, URL, message  # noqa: TID252
from .house import flow, open_house

SOURCE = flow(f'handshake: [{{type: SNS, topicArns: ["{TOPIC}"], confirm: true}}]\ndeduplication: {{}}')
SUBSCRIBE = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=a:b&Token=t"


async def test_messages_are_checked_and_subscriptions_confirmed(tmp_path: Path) -> None:
    """
    A signed notification starts the flow once; a confirmation is visited, recorded and starts nothing.
    """
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return PEM if url == URL else b""

    async with open_house(tmp_path, SOURCE, services={"fetch": fetch}) as house:
        first = await house.send(content=json.dumps(message()).encode())
        assert first.status_code == 200
        assert first.json()["trigger"]["variables"]["verification"]["deliveryId"] == "m-1"
        assert (await house.send(content=json.dumps(message()).encode())).content == first.content
        confirm = message(Type="SubscriptionConfirmation", Token="t", SubscribeURL=SUBSCRIBE, MessageId="m-2")
        assert (await house.send(content=json.dumps(confirm).encode())).status_code == 200
        assert asked == [URL, SUBSCRIBE]
        assert len(house.executions()) == 1
        assert [event.handshake for event in house.events(HandshakeAnswered)] == ["SNS"]


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.evil.com/x.pem",
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.com/x.pem",
    ],
)
async def test_no_other_host_is_asked(tmp_path: Path, url: str) -> None:
    """
    A certificate anywhere else is 401 and not fetched.
    """

    async def fetch(url: str) -> bytes:
        raise AssertionError(url)

    async with open_house(tmp_path, SOURCE, services={"fetch": fetch}) as house:
        answer = await house.send(content=json.dumps(message(SigningCertURL=url)).encode())
        assert answer.status_code == 401
        assert house.executions() == []
