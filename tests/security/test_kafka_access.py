"""Kafka: no access without a password, and each program has only the rights that it needs."""

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.contracts.settings import KafkaUser, Settings
from headrace.streaming.landing import lost_ends
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.topics import offset_bounds
from tests.security.other_account import as_nobody, python_as_nobody

WITHOUT_LOGIN: dict[str, dict[str, str]] = {
    "no password": {},
    "a wrong password": {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "admin",
        "sasl.password": "x" * 43,
    },
    "a mechanism that would send the password in clear": {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "admin",
        "sasl.password": "x" * 43,
    },
}


@pytest.mark.parametrize("port", ["kafka", "kafka-controller"])
@pytest.mark.parametrize("login", WITHOUT_LOGIN.values(), ids=WITHOUT_LOGIN)
def test_a_client_without_a_password_gets_no_answer(servers: Settings, login: dict[str, str], port: str) -> None:
    given: dict[str, Any] = {"bootstrap.servers": f"127.0.0.1:{servers.port(port)}", "log_level": 0, **login}
    with pytest.raises(KafkaException):
        AdminClient(given).list_topics(timeout=3)
    sender = Producer({**given, "message.timeout.ms": 3_000})
    failed: list[KafkaError | None] = []
    sender.produce("orders", b"{}", on_delivery=lambda error, _: failed.append(error))
    sender.flush(10)
    assert failed
    assert failed[0] is not None


def as_user(settings: Settings, user: KafkaUser) -> Settings:
    return settings.model_copy(update={"kafka_user": user})


def denied(settings: Settings, user: KafkaUser, topic: str) -> bool:
    """Whether the broker refuses a record of this user."""
    # Without idempotence, which a user that may write nowhere is denied before it sends.
    plain = {"enable.idempotence": False, "message.timeout.ms": 10_000, "log_level": 0}
    sender = clients.producer(as_user(settings, user), **plain)
    errors: list[KafkaError | None] = []
    sender.produce(topic, b"", on_delivery=lambda error, _: errors.append(error))
    sender.flush(15)
    return errors[0] is not None and errors[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_each_program_writes_only_its_own_topics(fresh: Settings, servers: Settings) -> None:
    attempts: list[tuple[KafkaUser, str]] = [
        ("lander", "orders"),
        ("reader", "orders"),
        ("dagster", "orders"),
        ("source", "customer_sentiment"),
        ("connect", "web_logs"),
        ("processor", "social_media"),
        ("lander", "headrace.order-extractor.web_logs.state"),
    ]
    assert [attempt for attempt in attempts if not denied(servers, *attempt)] == []
    assert not denied(servers, "source", "orders.dlq")


def test_sources_cannot_read_dead_letters_and_nobody_but_the_admin_deletes_topics(
    fresh: Settings, servers: Settings
) -> None:
    reader: Consumer = clients.consumer(as_user(servers, "source"), "headrace-look", log_level=0)
    reader.assign([TopicPartition("orders.dlq", 0, 0)])
    message = reader.poll(15)
    reader.close()
    assert message is not None
    error = message.error()
    assert error is not None
    assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    for user in ("lander", "processor", "source", "connect", "dagster", "replay", "reader"):
        client = clients.admin(as_user(servers, user), log_level=0)
        with pytest.raises(KafkaException):
            client.delete_topics(["customers"])["customers"].result(15)


def test_the_lander_reads_again_what_it_compares_after_the_broker_lost_records(
    fresh: Settings, servers: Settings
) -> None:
    sender = clients.producer(servers)
    sender.produce("orders", b"{}", partition=0)
    sender.flush(15)
    ((_, end),) = offset_bounds(clients.admin(servers), [("orders", 0)]).values()
    assert end
    first, second = (
        lost_ends.fingerprint_of(as_user(servers, user), ("orders", 0), 0, end) for user in ("admin", "lander")
    )
    assert first == second


def test_no_program_can_fence_another_ones_transactions(servers: Settings) -> None:
    wanted = {"transactional.id": f"{servers.database}-order-extractor-0", "log_level": 0}
    for user in ("lander", "source", "connect", "dagster", "replay", "reader"):
        with pytest.raises(KafkaException) as refusal:
            clients.producer(as_user(servers, user), **wanted).init_transactions(15)
        assert refusal.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def test_another_account_finds_no_password_in_files_or_command_lines(servers: Settings) -> None:
    password = servers.kafka_login("admin").read_text().rpartition("=")[2].strip()
    read = as_nobody("cat", str(servers.kafka_login("admin")), str(servers.root / "kafka" / "server.properties"))
    assert (read.returncode, read.stdout) == (1, "")
    shown = python_as_nobody("import psutil; print([each.cmdline() for each in psutil.process_iter()])")
    assert shown.returncode == 0
    assert password not in shown.stdout
