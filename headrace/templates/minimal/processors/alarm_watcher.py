"""`readings` to `alarms`: readings that are too warm."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, cast

from headrace_project.topics.alarms import Alarm
from headrace_project.topics.readings import Reading

from headrace.contracts.types import derived_id
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State

TOO_WARM_CELSIUS = 30.0


class AlarmWatcher:
    """Publishes an alarm for each reading that is too warm."""

    name: ClassVar[str] = "alarm-watcher"
    inputs: ClassVar[tuple[str, ...]] = ("readings",)
    output: ClassVar[str] = "alarms"
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        result = Result()
        for record in records:
            reading = cast("Reading", record.event)
            if reading.celsius <= TOO_WARM_CELSIUS:
                result.drops["not too warm"] += 1
                continue
            result.used += 1
            alarm = Alarm(
                event_id=derived_id("alarm", reading.event_id),
                event_time=reading.event_time,
                source=self.name,
                sensor=reading.sensor,
                room=reading.room,
                celsius=reading.celsius,
            )
            result.outputs.append(Output(reading.sensor.encode(), alarm))
        return result
