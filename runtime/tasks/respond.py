"""`Respond`: the webhook's caller gets an answer now, and the execution goes on."""

from typing import Any, ClassVar

from hookledger.runtime.tasks.base import Outputs, Result, TaskContext, TaskFailed, TaskKind
from hookledger.runtime.triggers.webhook.responding import ResponseUnusable, make_response


class Respond(TaskKind, frozen=True, kw_only=True):
    """Answers the caller of a webhook with `wait: true`. The first answer wins; a later one changes nothing."""

    types: ClassVar[tuple[str, ...]] = (
        "io.hookledger.plugin.core.webhook.Respond",
        "io.hookledger.core.Respond",
    )
    instant: ClassVar[bool] = True

    code: int = 200
    headers: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies the default
    content_type: str = ""
    body: Any = None

    async def run(self, context: TaskContext) -> Outputs:
        try:
            response = make_response(
                code=self.code,
                default_code=200,
                headers=self.headers,
                content_type=self.content_type,
                body=self.body,
                has_body=True,
            )
        except ResponseUnusable as error:
            raise TaskFailed(str(error), kind="ResponseUnusable") from error
        return Result(outputs={"code": response.status}, response=response)
