-- grain: One row per day and room.
-- key: measured_date, room
-- domain: PROJECT_DOMAIN
-- description: The temperature of each room, day by day.
-- materialized: incremental_by_group
-- group_by: measured_date
-- input core.readings affects: measured_date
-- column measured_date: The day, in UTC.
-- column room: The room.
-- column readings: Number of readings.
-- column mean_celsius: Mean temperature, degrees Celsius.
-- column max_celsius: Highest temperature, degrees Celsius.
select
    measured_date,
    room,
    count(*) as readings,
    avg(celsius)::decimal(6, 2) as mean_celsius,
    max(celsius) as max_celsius
from core.readings
group by measured_date, room
