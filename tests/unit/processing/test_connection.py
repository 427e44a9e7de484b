"""Address and login of Kafka, from the file of client settings."""

from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.clients import connection, java_connection, python_connection

OWN = """
# of our own Kafka
security.protocol = sasl_ssl
sasl.mechanism=SCRAM-SHA-256
sasl.username=me
sasl.password=a=b"\\c
ssl.ca.location=/etc/ca.pem
"""


def own(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "client.properties"
    file.write_text(text)
    return Settings(home=tmp_path, kafka_bootstrap="kafka:9092", kafka_config=file)


def test_the_login_of_a_kafka_of_ones_own_goes_to_every_kind_of_client(tmp_path: Path) -> None:
    settings = own(tmp_path, OWN)
    assert connection(settings) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "me",
        "sasl.password": 'a=b"\\c',
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert java_connection(settings) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
        ' username="me" password="a=b\\"\\\\c";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/etc/ca.pem",
    }
    assert python_connection(settings) == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "me",
        "sasl_plain_password": 'a=b"\\c',
        "ssl_cafile": "/etc/ca.pem",
    }


def test_a_kafka_of_ones_own_without_a_login_needs_no_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, kafka_bootstrap="kafka:9092")
    assert connection(settings) == java_connection(settings) == {"bootstrap.servers": "kafka:9092"}


def test_each_user_of_the_built_in_kafka_has_a_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, kafka_user="lander")
    assert settings.kafka_file == tmp_path / "secrets" / "kafka" / "lander.properties"
    assert connection(settings) == {"bootstrap.servers": "127.0.0.1:19090"}, "nothing was started yet"


@pytest.mark.parametrize("text", ["sasl.password", "= x", "a=b\nsecret"])
def test_a_file_that_is_none_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(Terminal, match="not `name=value`") as refusal:
        connection(own(tmp_path, text))
    assert "secret" not in str(refusal.value)


def test_settings_that_java_does_not_have_are_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match=r"enable\.ssl\.certificate"):
        java_connection(own(tmp_path, "enable.ssl.certificate.verification=false"))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="There is no file"):
        connection(Settings(home=tmp_path, kafka_bootstrap="k:1", kafka_config=tmp_path / "none"))
