-- grain: One row per sensor and time.
-- key: sensor, measured_at
-- domain: PROJECT_DOMAIN
-- description: Readings of the sensors. A reading that comes later corrects the one before it.
-- materialized: incremental_by_group
-- group_by: sensor, measured_at
-- input raw.readings affects: sensor, event_time
-- row_check temperature is of this planet: celsius between -90 and 60
-- column sensor: {{ about("readings.sensor") }}
-- column measured_at: When it was measured.
-- column measured_date: Day it was measured, in UTC.
-- column room: {{ about("readings.room") }}
-- column celsius: {{ about("readings.celsius") }}
select
    sensor,
    event_time as measured_at,
    event_time::date as measured_date,
    room,
    celsius::decimal(6, 2) as celsius
from (
    select *, {{ latest_arrival("sensor, event_time") }}
    from raw.readings
    where not _is_tombstone
)
{{ last_arrived("sensor, event_time") }}
