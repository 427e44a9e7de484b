"""Readings that are too warm. The processor in `processors/alarm_watcher.py` writes them."""

from typing import Annotated

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, about


class Alarm(Event, kw_only=True, frozen=True):
    """A reading that is too warm. `event_time` is when it was measured."""

    sensor: Annotated[Identifier, about("Name of the sensor.")]
    room: Annotated[Identifier, about("Room that the sensor is in.")]
    celsius: Annotated[float, about("Temperature, degrees Celsius.")]


ALARMS = event_topic("alarms", Alarm, key="sensor", partitions=2, days=30)
