"""Posts failed runs to a webhook, if one is set. The payload suits chat services, which show `text`."""

import re
from typing import Any

import dagster as dg
import httpx

from headrace.contracts.settings import HOST, Settings

TIMEOUT_SECONDS = 5.0
MAX_ERROR = 500
_SECRET = re.compile(r"(?i)\b(password|passwd|token|secret|api_?key)\s*[=:]\s*\S+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
WILL_RETRY = "dagster/will_retry"


@dg.run_failure_sensor(
    name="alert_on_failure",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Posts failed runs to the webhook in HEADRACE_ALERT_WEBHOOK.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason | None:
    if settings.alert_webhook is None:
        return dg.SkipReason("HEADRACE_ALERT_WEBHOOK is not set.")
    if context.dagster_run.tags.get(WILL_RETRY) == "true":
        return dg.SkipReason("The run will be retried.")
    failed = {event.step_key: _reason(event) for event in context.get_step_failure_events() if event.step_key}
    run_id, job = context.dagster_run.run_id, context.dagster_run.job_name
    payload = alert(settings, job, run_id, failed, context.failure_event.message or "")
    if problem := post(settings.alert_webhook, payload):
        context.log.error(f"Failed to post the failure of run {run_id} to the webhook: {problem}.")
    return None


def alert(settings: Settings, job: str, run_id: str, failed: dict[str, str], message: str) -> dict[str, Any]:
    """The payload for a failed run: no data, settings or environment, and no secret that an error message repeats."""
    steps = {step.replace("__", ".", 1): redacted(reason) for step, reason in failed.items()}
    reasons = "; ".join(f"{step}: {reason}" for step, reason in steps.items()) or redacted(message)
    url = f"http://{HOST}:{settings.port('dagster')}/runs/{run_id}"
    return {
        "text": f"Headrace: {job} failed. {reasons} {url}",
        "job": job,
        "run_id": run_id,
        "steps": steps,
        "url": url,
    }


def redacted(text: str) -> str:
    """The first line of an error, of bounded length, with anything that looks like a credential removed."""
    return _SECRET.sub("[…]", text.strip().split("\n", 1)[0])[:MAX_ERROR]


def post(url: str, payload: dict[str, Any]) -> str | None:
    """Post the payload; returns the error, if any. The URL is a secret, so the error does not contain it."""
    try:
        response = httpx.post(url, json=payload, timeout=TIMEOUT_SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        return type(error).__name__
    return None if response.is_success else f"HTTP status {response.status_code}"


def _reason(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    root = error.cause or error if error is not None else None
    return root.message if root is not None else "failed"
