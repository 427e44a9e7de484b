"""Prometheus metrics of the streaming processes, and the local port that serves them."""

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import HOST, Settings
from headrace.guard import wsgi
from headrace.guard.doors import metrics_door

RECORDS_IN = Counter("headrace_lander_records_in", "Records consumed.", ["topic"])
BYTES_IN = Counter("headrace_lander_bytes_in", "Bytes of record values consumed.", ["topic"])
ROWS_LANDED = Counter("headrace_lander_rows_landed", "Rows in committed files.", ["topic"])
QUARANTINED = Counter("headrace_lander_quarantined", "Records quarantined, by kind of reason.", ["topic", "reason"])
RESETS = Counter("headrace_lander_resets", "Times the lander went back to the stored positions.", ["reason"])
DECODE_SECONDS = Histogram("headrace_lander_decode_seconds", "Decoding one flush.", ["topic"])
WRITE_SECONDS = Histogram("headrace_lander_flush_seconds", "Writing the files of one flush.", ["topic"])
COMMIT_SECONDS = Histogram("headrace_lander_commit_seconds", "Committing one flush in PostgreSQL.", ["topic"])
LAG = Gauge("headrace_lander_lag_offsets", "High watermark minus position.", ["topic", "partition"])
LAST_COMMIT = Gauge(
    "headrace_lander_last_commit_timestamp_seconds", "When the topic's last flush was committed.", ["topic"]
)
SET_APART = Counter(
    "headrace_set_apart", "Batches and records skipped because no client can read them.", ["reader", "topic"]
)
STOPPED = Gauge("headrace_lander_stopped_partitions", "Partitions stopped until accept-gap.", ["topic"])
HELD_BACK = Gauge("headrace_lander_held_back_offsets", "Offsets blocked by an open transaction.", ["topic"])
TRUNCATED_OFFSETS = Counter(
    "headrace_lander_truncated_offsets", "Landed offsets that the broker lost afterwards.", ["topic"]
)
BUFFERED_BYTES = Gauge("headrace_lander_buffered_bytes", "Bytes of record values held in memory.")

PROCESSED = Counter(
    "headrace_processor_records_in", "Records processed, including rejected ones.", ["processor", "topic"]
)
PRODUCED = Counter("headrace_processor_records_out", "Records produced to the output topic.", ["processor"])
DROPPED = Counter("headrace_processor_records_dropped", "Records dropped, by reason.", ["processor", "reason"])
DEAD_LETTERS = Counter("headrace_processor_dead_letters", "Records refused.", ["processor", "reason"])
LOST_INPUTS = Counter(
    "headrace_processor_lost_inputs", "Processed offsets that the broker lost afterwards.", ["processor", "topic"]
)
PROCESSOR_LAG = Gauge(
    "headrace_processor_lag_offsets", "High watermark minus position.", ["processor", "topic", "partition"]
)
TRANSACTION_SECONDS = Histogram(
    "headrace_processor_transaction_seconds", "From the first produced record to the stored state.", ["processor"]
)

CHAMPION = Gauge("headrace_scorer_champion", "Version of the model in use; 0 for the cold start.", ["model"])
CHAMPION_FAILURES = Counter(
    "headrace_scorer_champion_failures", "Failures to look up or load the champion.", ["model", "reason"]
)
SOURCE_INPUTS = Counter("headrace_source_inputs", "Inputs committed, by outcome.", ["source", "outcome"])
SOURCE_TRANSACTION_SECONDS = Histogram("headrace_source_transaction_seconds", "Committing what was read.", ["source"])
SOURCE_LAST_COMMIT = Gauge(
    "headrace_source_last_commit_timestamp_seconds", "When something read was last committed.", ["source"]
)
SOURCE_CONNECTIONS = Counter("headrace_source_connections", "Connections made to a server.", ["source"])
SOURCE_FAILURES = Counter("headrace_source_failures", "Connections and requests that failed.", ["source", "reason"])


def serve(settings: Settings, port: int) -> None:
    """Serve the metrics of this process on 127.0.0.1, with the token required."""
    try:
        wsgi.serve(make_wsgi_app(), HOST, port, metrics_door(settings))
    except OSError as error:
        raise Terminal(
            f"The metrics port {HOST}:{port} is taken.",
            remedy="Stop the program that listens there, or set HEADRACE_PORT_BASE to another range.",
        ) from error
