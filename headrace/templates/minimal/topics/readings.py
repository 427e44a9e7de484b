"""Readings of the sensors."""

from typing import Annotated

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, about


class Reading(Event, kw_only=True, frozen=True):
    """One reading of a sensor. `event_time` is when it was measured."""

    sensor: Annotated[Identifier, about("Name of the sensor.")]
    room: Annotated[Identifier, about("Room that the sensor is in.")]
    celsius: Annotated[float, about("Temperature, degrees Celsius.")]


READINGS = event_topic("readings", Reading, key="sensor", partitions=2, days=30)
