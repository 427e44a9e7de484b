"""Declares the configuration of each connector. Pure: nothing here accesses a worker.

Configurations contain no passwords, since the REST API shows them, but references that a config provider resolves.
"""

import json
from collections.abc import Mapping
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from headrace.contracts.delivery import (
    CONNECTOR_PREFIX,
    DELIVERIES,
    OFFSET,
    PARTITION,
    SERVING,
    TOPIC_ID,
    Delivery,
    connect_schema,
)
from headrace.contracts.postgres_roles import RoleName
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import MAX_ID_LENGTH
from headrace.contracts.versions import VERSION_HEADER, versions_of
from headrace.streaming.connect.shop import CUSTOMER_COLUMNS, HEARTBEAT, ORDERS_TABLE, PUBLICATION

Config = dict[str, str]

PREFIX = CONNECTOR_PREFIX
"""Connectors with this prefix belong to Headrace and are removed when no longer declared. A worker may have others."""
CONVERTER = "headrace.connect.ContractConverter"
SINK = "headrace.connect.IsolatingJdbcSink"
SINK_ROLE: RoleName = "headrace_sink"
CAPTURE_ROLE: RoleName = "headrace_capture"
_JSON = "org.apache.kafka.connect.json.JsonConverter"
_TEXT = "org.apache.kafka.connect.storage.StringConverter"
_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
_DEFAULT_PORT = "5432"
_TRANSACTION_TIMEOUT_MS = 10_000


def sink_name(delivery: Delivery) -> str:
    """The connector that delivers a topic."""
    return delivery.connector


def consumer_group(delivery: Delivery) -> str:
    """The consumer group of a delivery, with the name that Connect gives it."""
    return f"connect-{sink_name(delivery)}"


CUSTOMERS_SOURCE, ORDERS_SOURCE = f"{PREFIX}shop.customers", f"{PREFIX}shop.orders"
SLOTS = {CUSTOMERS_SOURCE: "customers", ORDERS_SOURCE: "orders"}


def slot_name(settings: Settings, connector: str) -> str:
    """The replication slot that a source reads. Slots are per server, so the name includes the database."""
    return f"headrace_{settings.shop_database}_{SLOTS[connector]}"


def declared(settings: Settings, topic_ids: Mapping[str, UUID]) -> dict[str, Config]:
    """Every connector by name. `topic_ids` are those of the delivered topics; each row has the id of its topic."""
    sinks = {
        sink_name(delivery): _sink(settings, delivery, topic_ids[delivery.topic]) for delivery in DELIVERIES.values()
    }
    if not set(SLOTS.values()) <= TOPICS.keys():
        return sinks
    return sinks | {CUSTOMERS_SOURCE: _customers(settings), ORDERS_SOURCE: _orders(settings)}


def _sink(settings: Settings, delivery: Delivery, topic_id: UUID) -> Config:
    server = _server(settings, settings.database, SINK_ROLE)
    # Strings are sent without a type; PostgreSQL converts them to the column's type: numeric, timestamptz, uuid.
    url = f"jdbc:postgresql://{server['host']}:{server['port']}/{server['dbname']}?stringtype=unspecified"
    dead_letters = TOPICS[delivery.topic].dead_letter
    by_record_key = delivery is SERVING
    return {
        # Debezium's JDBC sink; records that PostgreSQL rejects go to the dead letters, and the rest is delivered.
        "connector.class": SINK,
        "topics": delivery.topic,
        "tasks.max": "1",
        "connection.url": url,
        "connection.username": server["user"],
        "connection.password": _password(settings, SINK_ROLE),
        "connection.pool.min_size": "1",
        "connection.pool.max_size": "2",
        "collection.name.format": delivery.qualified,
        "schema.evolution": "none",
        "insert.mode": "upsert",
        # A tombstone has only its key.
        "primary.key.mode": "record_key" if by_record_key else "record_value",
        "primary.key.fields": delivery.key,
        "delete.enabled": str(by_record_key).lower(),
        **(_key_of(delivery) if by_record_key else {"key.converter": _BYTES}),
        "value.converter": CONVERTER,
        # Raw bytes: the default parses each as JSON, at any depth.
        "header.converter": _BYTES,
        "value.converter.schema.content": json.dumps(connect_schema(delivery.contract), separators=(",", ":")),
        "value.converter.version": str(versions_of(delivery.contract).current),
        "transforms": "position",
        "transforms.position.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.position.partition.field": PARTITION,
        "transforms.position.offset.field": OFFSET,
        "transforms.position.static.field": TOPIC_ID,
        "transforms.position.static.value": str(topic_id),
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead_letters,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
        # Aborted transactions are not delivered.
        "consumer.override.isolation.level": "read_committed",
        "consumer.override.auto.offset.reset": "earliest",
        # Rows are written in batches; smaller batches cost more PostgreSQL and broker time.
        "consumer.override.fetch.min.bytes": "64000",
        "consumer.override.fetch.max.wait.ms": "250",
        "producer.override.max.request.size": str(MAX_DEAD_LETTER_BYTES),
    }


def _key_of(delivery: Delivery) -> Config:
    """Settings for reading the record key, if it is the row's key; otherwise the record key is ignored."""
    return {
        "key.converter": CONVERTER,
        "key.converter.field": delivery.key,
        "key.converter.max.length": str(MAX_ID_LENGTH),
    }


def _customers(settings: Settings) -> Config:
    """The row after each change, or a tombstone after a delete. Columns that are not in the contract are not
    captured."""
    server = "shop_customers"
    return (
        _source(settings, CUSTOMERS_SOURCE, server, "public.customers")
        | {
            "column.include.list": ",".join(f"public.customers.{name}" for name in CUSTOMER_COLUMNS),
            "key.converter": _TEXT,
            "value.converter": _JSON,
            "value.converter.schemas.enable": "false",
            "predicates": "row",
            "predicates.row.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            "predicates.row.pattern": rf"{server}\.public\.customers",
            "transforms": "state,key,route",
            "transforms.state.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.state.delete.tombstone.handling.mode": "delete-to-tombstone",
            "transforms.state.predicate": "row",
            "transforms.key.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
            "transforms.key.field": "customer_id",
            "transforms.key.predicate": "row",
            "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.route.regex": rf"{server}\.public\.customers",
            "transforms.route.replacement": "customers",
        }
        | _versioned("customers", "state,key,route")
    )


def _orders(settings: Settings) -> Config:
    """Documents written to the outbox, byte for byte as PostgreSQL outputs them."""
    server = "shop_orders"
    return (
        _source(settings, ORDERS_SOURCE, server, f"public.{ORDERS_TABLE}")
        | {
            "key.converter": _TEXT,
            "value.converter": _TEXT,
            "predicates": "document",
            "predicates.document.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            "predicates.document.pattern": rf"{server}\.public\.{ORDERS_TABLE}",
            "transforms": "outbox",
            "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
            "transforms.outbox.predicate": "document",
            "transforms.outbox.table.field.event.id": "event_id",
            "transforms.outbox.table.field.event.key": "key",
            "transforms.outbox.table.field.event.payload": "document",
            "transforms.outbox.route.by.field": "topic",
            "transforms.outbox.route.topic.replacement": "${routedByValue}",
        }
        | _versioned("orders", "outbox")
    )


def _versioned(topic: str, transforms: str) -> Config:
    """Settings that add the version of the topic's contract to each record's headers, if it is above 1."""
    contract = TOPICS[topic].contract
    if contract is None or not versions_of(contract).header:
        return {}
    return {
        "transforms": f"{transforms},version",
        "transforms.version.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.version.header": VERSION_HEADER,
        "transforms.version.value.literal": str(versions_of(contract).current),
    }


def _source(settings: Settings, name: str, prefix: str, table: str) -> Config:
    server = _server(settings, settings.shop_database, CAPTURE_ROLE)
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": server["host"],
        "database.port": server["port"],
        "database.user": server["user"],
        "database.password": _password(settings, CAPTURE_ROLE),
        "database.dbname": server["dbname"],
        "topic.prefix": prefix,
        "plugin.name": "pgoutput",
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        "slot.name": slot_name(settings, name),
        "table.include.list": table,
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        "poll.interval.ms": "100",
        # Each batch and its WAL position are one Kafka transaction.
        "exactly.once.support": "required",
        "producer.override.transaction.timeout.ms": str(_TRANSACTION_TIMEOUT_MS),
        # Without regular changes in this database, the slot would retain the whole server's WAL.
        "heartbeat.interval.ms": "10000",
        "heartbeat.action.query": HEARTBEAT,
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
        "errors.max.retries": "-1",
        "retriable.restart.connector.wait.ms": "2000",
    }


def _server(settings: Settings, database: str, role: RoleName) -> dict[str, str]:
    given = {name: str(value) for name, value in conninfo_to_dict(settings.conninfo(database, role)).items()}
    return {"host": HOST, "port": _DEFAULT_PORT, "user": "", **given}


def _password(settings: Settings, role: RoleName) -> str:
    reference = settings.connect_password or f"${{file:{settings.connect_secrets}:{{role}}}}"
    return reference.replace("{role}", role)
