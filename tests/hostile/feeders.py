"""Feeders of the running stack: each sends hostile input of one kind, step by step, and counts it."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import KafkaError, Message

from headrace.cases.data_science.sources.feedback.server import token_of
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topics import TOPICS as CONTRACTS
from headrace.stack.files import secret
from headrace.streaming.connect import shop
from headrace.streaming.runtime.clients import producer
from headrace.streaming.sources.delivery import CountedError
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.ingest import ingest
from headrace.streaming.sources.outcomes import Counts
from tests.hostile import inputs
from tests.hostile.chance import Chance
from tests.hostile_records import (
    CODECS,
    NONE,
    RawProducer,
    Record,
    batch,
    bomb,
    compressed,
    encoded,
    odd_records,
)

LINES_A_STEP, RECORDS_A_STEP, INPUTS_A_FILE = 20, 20, 60
LINES_A_FILE = 2_000
SOURCES = ("jetstream", "mastodon", "labelled", "online-retail", "reviews", "weather", "access-log")
ANSWER_SECONDS = 60.0
MEGABYTES_OF_A_BOMB = 90
OPEN_TRANSACTION_MS = 10_000


class Feeder:
    """Sends input until it is stopped. `failures` are events that no input may cause."""

    pause_s = 1.0

    def __init__(self, settings: Settings, seed: str) -> None:
        self.settings = settings
        self.chance = Chance(f"{seed}-{type(self).__name__}")
        self.failures: list[str] = []
        self.steps = 0

    def step(self) -> None:
        """Send some input."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the current input."""

    def run(self, stop: threading.Event) -> None:
        """Take steps until `stop` is set."""
        try:
            while not stop.is_set():
                self.step()
                self.steps += 1
                stop.wait(self.pause_s)
            self.close()
        except Exception as error:  # noqa: BLE001  the soak continues, and reports it at its end
            self.failures.append(f"{type(self).__name__}, step {self.steps}: {type(error).__name__}: {error}")


class AccessLog(Feeder):
    """Writes an access log that the live source follows, a new file now and then."""

    def __init__(self, settings: Settings, seed: str, folder: Path) -> None:
        super().__init__(settings, seed)
        self._folder = folder
        self.lines = 0

    def step(self) -> None:
        path = self._folder / f"access-{self.lines // LINES_A_FILE}.log"
        lines = [inputs.log_line(self.chance) for _ in range(LINES_A_STEP)]
        if not path.exists():
            # A file is known by its first line.
            lines[0] = f'198.51.100.7 - - [27/Nov/2026:10:00:00 +0000] "GET /{path.name} HTTP/1.1" 200 5'.encode()
        with path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self.lines += len(lines)


class Ingests(Feeder):
    """Ingests files of each source."""

    pause_s = 2.0

    def __init__(self, settings: Settings, seed: str, folder: Path) -> None:
        super().__init__(settings, seed)
        self._folder = folder
        self.counts: dict[str, Counts] = {}

    def step(self) -> None:
        chance, number = self.chance, INPUTS_A_FILE
        lines: int | None = number
        match source := SOURCES[self.steps % len(SOURCES)]:
            case "access-log":
                content = inputs.log_file(chance, number)
            case "jetstream":
                content = b"\n".join(inputs.jetstream_message(chance) for _ in range(number))
            case "mastodon":
                statuses = [inputs.status(chance) for _ in range(number)]
                as_array = chance.happens(0.5)
                content = json.dumps(statuses) if as_array else "\n".join(map(json.dumps, [{"id": ""}, *statuses[1:]]))
                content = content.encode()
            case "labelled":
                content = inputs.labelled_lines(chance, number)
            case _:
                lines = None
                rows: Callable[[Chance, int], bytes] = {
                    "online-retail": inputs.retail_rows,
                    "reviews": inputs.review_rows,
                    "weather": inputs.weather_rows,
                }[source]
                content = rows(chance, number)
        path = self._folder / f"{source}-{self.steps}.txt"
        path.write_bytes(content)
        options = Options(date_format="mdy") if source == "online-retail" else Options()
        try:
            counts = ingest(self.settings, source, path, options=options)
        except CountedError as error:
            counts = error.counts
        self.counts.setdefault(source, Counts()).add(counts)
        if lines is not None and counts.input != lines:
            self.failures.append(f"{path.name}: {counts.input} inputs instead of {lines}")


class Records(Feeder):
    """Writes records to the topics, as a foreign producer would."""

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self._producer = producer(settings)
        self.acknowledged: Counter[str] = Counter()

    def step(self) -> None:
        chance = self.chance
        for _ in range(RECORDS_A_STEP):
            topic = chance.random.choice(inputs.TOPICS + inputs.SCORES)
            value = None if chance.happens(0.05) else inputs.event(chance, topic)
            key = chance.random.choice((None, b"", b"c1", chance.blob(), chance.word().encode(errors="surrogatepass")))
            if topic in inputs.COMPACTED:
                key = key or b"c2"
            headers: list[tuple[str, str | bytes | None]] = [
                (self._header(), chance.blob() if chance.happens(0.8) else None) for _ in range(3)
            ]
            if chance.happens(0.1):
                value = chance.blob()
            self._producer.produce(
                topic,
                value,
                key,
                headers=headers if chance.happens(0.3) else None,
                timestamp=self._timestamp(),
                on_delivery=self._delivered,
            )
        self._producer.poll(0)

    def close(self) -> None:
        if left := self._producer.flush(60):
            self.failures.append(f"{left} records were not acknowledged")

    def _header(self) -> str:
        return self.chance.word().encode(errors="ignore").decode()

    def _timestamp(self) -> int:
        now = int(time.time() * 1000)
        return self.chance.random.choice((0, now, now, now, 1, now - 86_400_000, now + 600_000, 2**62, 2**63 - 1))

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged[str(message.topic())] += 1
        elif error.code() not in (KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD):
            self.failures.append(f"a record of {message.topic()} was refused: {error}")


class Batches(Feeder):
    """Writes batches that no client library makes: header names of any bytes, damage, and decompression bombs."""

    pause_s = 5.0

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self.sent: Counter[str] = Counter()

    def step(self) -> None:
        chance = self.chance
        topic = chance.random.choice([name for name in inputs.TOPICS + inputs.SCORES if name != "customers"])
        codec = chance.random.choice(CODECS)
        kind = chance.random.choice(("odd", "odd", "odd", "damaged", "bomb"))
        match kind:
            case "odd":
                records = list(odd_records(chance.random.randrange(2**31), RECORDS_A_STEP))
                data = batch(records, codec, time_ms=int(time.time() * 1000))
            case "damaged":
                data = batch([], codec, content=chance.mutated(compressed(codec, encoded([Record(b"{}")]))), count=1)
            case _:
                data = bomb(chance.random.choice([codec for codec in CODECS if codec != NONE]), MEGABYTES_OF_A_BOMB)
        with RawProducer(self.settings) as raw:
            offset = raw.send(topic, chance.random.randrange(CONTRACTS[topic].partitions), data)
        self.sent[f"{kind}{', refused' if offset is None else ''}"] += 1


class Transactions(Feeder):
    """Writes in transactions that are committed, aborted, or left open until the broker aborts them."""

    pause_s = 5.0

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self.ends: Counter[str] = Counter()

    def step(self) -> None:
        chance = self.chance
        identity = {"transactional.id": chance.unique("hostile"), "transaction.timeout.ms": OPEN_TRANSACTION_MS}
        client = producer(self.settings, **identity)
        client.init_transactions(ANSWER_SECONDS)
        client.begin_transaction()
        for _ in range(RECORDS_A_STEP):
            topic = chance.random.choice(inputs.TOPICS + inputs.SCORES)
            client.produce(topic, inputs.event(chance, topic), b"c1")
        client.flush(ANSWER_SECONDS)
        match end := chance.random.choice(("committed", "aborted", "left open")):
            case "committed":
                client.commit_transaction(ANSWER_SECONDS)
            case "aborted":
                client.abort_transaction(ANSWER_SECONDS)
            case _:
                pass
        self.ends[end] += 1


class Forms(Feeder):
    """Sends the feedback form and calls its API; some calls stop half way."""

    pause_s = 0.5

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self._token = token_of(settings)
        self._port = settings.port("feedback")
        self.statuses: Counter[int] = Counter()
        self.receipts: list[tuple[str, str]] = []

    def step(self) -> None:
        chance = self.chance
        draw = chance.random.random()
        if draw < 0.5:
            topic = chance.random.choice(inputs.TOPICS)
            path = "/api/feedback" if chance.happens(0.3) else f"/api/events/{topic}"
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            body = inputs.event(chance, "customer_feedback" if path == "/api/feedback" else topic)
            answer = self._send("POST", path, body, headers)
            if answer is not None and answer[0] == 202:
                receipt = json.loads(answer[1])
                self.receipts.append((receipt["topic"], receipt["event_id"]))
        elif draw < 0.85:
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}:{self._port}"}
            self._send("POST", "/", inputs.form_body(chance), headers)
        elif draw < 0.95:
            method = chance.random.choice(("GET", "PUT", "DELETE", "OPTIONS", "POST"))
            self._send(
                method, "/" + chance.random.choice(("", "health", "openapi.json", "api/feedback", "%00", "..")), b"", {}
            )
        else:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self._port), timeout=5) as connection:
                connection.sendall(
                    chance.mutated(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nkey=1")
                )

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (http.client.HTTPException, OSError) as error:
            self.failures.append(f"feedback, {method} {path}, step {self.steps}: {type(error).__name__}: {error}")
            return None
        finally:
            connection.close()
        self.statuses[status] += 1
        if status == 500:
            self.failures.append(f"feedback, {method} {path}, step {self.steps}: 500, {answer[:200]!r}")
        return status, answer


class Questions(Feeder):
    """Asks the SQL server; no answer holds a secret."""

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self._token = secret(settings.secrets, "serve")
        self._secrets = {path: path.read_bytes() for path in settings.secrets.rglob("*") if path.is_file()}
        self.statuses: Counter[int] = Counter()

    def step(self) -> None:
        secret_file = self.chance.random.choice(sorted(self._secrets))
        statement = inputs.question(self.chance, str(secret_file))
        connection = http.client.HTTPConnection(HOST, self.settings.port("sql"), timeout=ANSWER_SECONDS)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "text/plain"}
        form = self.chance.random.choice(("json", "csv", "arrow"))
        try:
            body = statement.encode(errors="surrogatepass")
            connection.request("POST", f"/api/sql?format={form}&rows=100", body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (http.client.HTTPException, OSError) as error:
            self.failures.append(f"sql, step {self.steps}, {statement[:200]!r}: {type(error).__name__}: {error}")
            return
        finally:
            connection.close()
        self.statuses[status] += 1
        if status == 500:
            self.failures.append(f"sql, step {self.steps}, {statement[:200]!r}: 500, {answer[:300]!r}")
        for path, content in self._secrets.items():
            if len(content.strip()) >= 8 and content.strip() in answer:
                self.failures.append(f"sql, step {self.steps}, {statement[:200]!r}: the answer has {path.name}")
            if Path(f"{path}.copy").exists():
                self.failures.append(f"sql, step {self.steps}: a file was written")


class Shop(Feeder):
    """Changes the shop's database, from which Connect reads."""

    pause_s = 2.0

    def __init__(self, settings: Settings, seed: str) -> None:
        super().__init__(settings, seed)
        self.changes: Counter[str] = Counter()

    def step(self) -> None:
        chance = self.chance
        word = chance.word().replace("\0", "").encode(errors="ignore").decode()[:2_000]
        customer = f"c{chance.random.randrange(20)}" if chance.happens(0.7) else word
        statement: str
        parameters: list[Any]
        match chance.random.randrange(10):
            case 0:
                statement, parameters = "delete from customers where customer_id = %s", [customer]
            case 1:
                statement, parameters = "truncate customers", []
            case 2 | 3 | 4:
                statement = (
                    "insert into customers (customer_id, country) values (%s, %s)"
                    " on conflict (customer_id) do update set country = excluded.country"
                )
                parameters = [customer, word]
            case _:
                document = inputs.event(chance, "orders").decode(errors="ignore")
                statement = "insert into order_outbox (event_id, key, document) values (%s, %s, %s::jsonb)"
                parameters = [chance.unique("shop"), customer, document]
        try:
            with shop.connect(self.settings) as db:
                db.execute(statement.encode(), parameters)
            self.changes[statement.split()[0]] += 1
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded):
            self.changes["refused"] += 1
