"""Hostile inputs of every kind that the platform takes, drawn by chance: one call, one input."""

import bz2
import csv
import gzip
import io
import json
import lzma
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pyarrow as pa

from tests.hostile.chance import Chance

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/110.0 Mobile Safari/537.36",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
    "curl/8.5",
    "-",
)
TOPICS = ("web_logs", "orders", "customers", "social_media", "customer_feedback", "weather_data")
SCORES = ("customer_sentiment", "customer_behavior")
"""Topics that the processors write, and that Connect delivers."""
COMPACTED = ("customers", "customer_behavior")
"""Topics of which the broker takes no record without a key."""


def log_line(chance: Chance) -> bytes:
    """A line of an access log, without its newline."""
    draw = chance.random.random()
    if draw < 0.05:
        return chance.blob().replace(b"\n", b"")
    if draw < 0.1:
        return json.dumps(_json_hit(chance)).encode(errors="surrogatepass")
    prefix = chance.random.choice(
        ("", "", "", "shop.example:443 ", "Nov 20 10:00:00 web1 nginx: ", "pod/web-0 ", "203.0.113.5, ")
    )
    client = chance.random.choice(
        ("198.51.100.7", "2001:db8::1", "203.0.113.9:51234", "-", "client.example", _printable(chance.word()))
    )
    agent = chance.random.choice(AGENTS) if chance.happens(0.8) else _printable(chance.word())
    time = f"{chance.moment():%d/%b/%Y:%H:%M:%S +0000}"
    request = f"GET {_target(chance)} HTTP/1.1" if chance.happens(0.9) else _printable(chance.word())
    status, size = (
        chance.random.choice((200, 302, 404, 500, "-", 99999999999)),
        chance.random.choice((0, 512, "-", 2**63)),
    )
    line = f'{prefix}{client} - - [{time}] "{request}" {status} {size} "{_printable(chance.word())}" "{agent}"'.encode(
        errors="surrogatepass"
    )
    return (chance.mutated(line) if chance.happens(0.15) else line).replace(b"\n", b" ")


def _json_hit(chance: Chance) -> dict[str, Any]:
    return chance.spoilt(
        {
            "time": chance.moment().timestamp(),
            "remote_addr": "198.51.100.7",
            "request": f"GET {_target(chance)} HTTP/1.1",
            "status": 200,
            "body_bytes_sent": 12,
            "http_user_agent": AGENTS[0],
        }
    )


def _target(chance: Chance) -> str:
    if chance.happens(0.4):
        return (
            "/"
            + quote(chance.word(), errors="ignore")
            + ("?" + quote_plus(chance.word(), errors="ignore") if chance.happens(0.3) else "")
        )
    hit: dict[str, Any] = {"sid": f"s{chance.random.randrange(30)}", "e": "page_view"}
    if chance.happens(0.5):
        hit["uid"] = f"c{chance.random.randrange(20)}" if chance.happens(0.8) else chance.word()
    match chance.random.randrange(4):
        case 0:
            hit |= {"e": "add_to_cart", "sku": "A", "qty": 1, "price": "2.50", "cur": "GBP"}
        case 1:
            hit |= {"e": "remove_from_cart", "sku": "A", "qty": 1}
        case 2:
            hit |= {
                "e": "purchase",
                "order": f"W{chance.random.randrange(10**6)}",
                "total": "2.50",
                "cur": "GBP",
                "country": "UK",
            }
        case _:
            pass
    if chance.happens(0.3):
        name = chance.random.choice(list(hit))
        hit[name] = chance.number() if chance.happens(0.5) else chance.word()
    return "/px?" + urlencode({name: str(value) for name, value in hit.items()}, errors="ignore")


def _printable(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def log_file(chance: Chance, lines: int) -> bytes:
    """An access log of so many lines, packed in one way or another."""
    content = b"".join(log_line(chance) + b"\n" for _ in range(lines))
    match chance.random.randrange(6):
        case 0:
            return gzip.compress(content)
        case 1:
            return bz2.compress(content)
        case 2:
            return lzma.compress(content)
        case 3:
            return bytes(pa.Codec("zstd").compress(content, asbytes=True))
        case _:
            return content


def jetstream_message(chance: Chance) -> bytes:
    """A line of a recording of Bluesky."""
    record = chance.spoilt({"createdAt": chance.time(), "text": chance.word(), "langs": ["en"]}, 0.3)
    commit = chance.spoilt(
        {
            "operation": chance.random.choice(("create", "create", "delete", "update")),
            "collection": "app.bsky.feed.post",
            "rkey": chance.unique("r"),
            "record": record,
        },
        0.2,
    )
    message = {
        "did": f"did:plc:{chance.random.randrange(50)}",
        "time_us": int(chance.moment().timestamp() * 1e6),
        "kind": "commit",
    }
    return _line(chance, chance.spoilt(message | {"commit": commit}, 0.2))


def status(chance: Chance) -> dict[str, Any]:
    """A status of Mastodon."""
    given = {
        "id": chance.unique("m"),
        "created_at": chance.time(),
        "visibility": chance.random.choice(("public", "public", "public", "unlisted", "private")),
        "content": f"<p>{chance.word()}</p>",
        "account": {"acct": chance.word() or "a", "uri": f"https://social.example/users/{chance.random.randrange(50)}"},
        "language": chance.random.choice(("en", "de", None, "")),
        "reblog": None,
    }
    return chance.spoilt(given, 0.4)


def retail_rows(chance: Chance, rows: int) -> bytes:
    """An order book."""
    names = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

    def row() -> list[str]:
        good = {
            "InvoiceNo": f"{chance.random.choice(('', '', 'C', 'A'))}{chance.random.randrange(10**6)}",
            "StockCode": "85123A",
            "Description": chance.word(),
            "Quantity": str(chance.random.randrange(-5, 50)),
            "InvoiceDate": f"{chance.moment():%Y-%m-%d %H:%M:%S}",
            "UnitPrice": "2.55",
            "CustomerID": str(chance.random.randrange(12_000, 12_030)),
            "Country": "United Kingdom",
        }
        return [str(chance.spoilt(good, 0.3).get(name, "")) for name in names]

    return _csv(chance, names, [row() for _ in range(rows)])


def review_rows(chance: Chance, rows: int) -> bytes:
    """Reviews."""
    names = ("", "Clothing ID", "Title", "Review Text", "Rating", "Department Name")

    def row() -> list[str]:
        rating = chance.random.choice(("1", "5", "4.0", "6", chance.word()))
        return [chance.unique(""), "1080", chance.word(), chance.word(), rating, chance.word()]

    return _csv(chance, names, [row() for _ in range(rows)])


def labelled_lines(chance: Chance, rows: int) -> bytes:
    """Sentences and labels."""
    lines = [
        f"{_printable(chance.word())}\t{chance.random.choice(('0', '1', '2', _printable(chance.word())))}"
        for _ in range(rows)
    ]
    return "\n".join(lines).encode(errors="surrogatepass")


def weather_rows(chance: Chance, rows: int) -> bytes:
    """Hourly observations."""
    names = (
        "origin",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
        "time_hour",
    )

    def row() -> list[str]:
        good: dict[str, Any] = dict.fromkeys(names[1:-1], 50) | {
            "origin": "EWR",
            "pressure": 1_000,
            "time_hour": chance.time(),
        }
        return [str(chance.spoilt(good, 0.3).get(name, "")) for name in names]

    return _csv(chance, names, [row() for _ in range(rows)])


def event(chance: Chance, topic: str) -> bytes:
    """The value of a record, as another producer of the topic would write it: an event, or nearly."""
    given: dict[str, Any] = {"event_id": chance.unique(topic), "event_time": chance.time(), "source": "hostile"}
    lines = [{"sku": "A", "quantity": chance.number() if chance.happens(0.2) else 2, "unit_price": "2.55"}]
    given |= {
        "web_logs": {
            "visitor_id": "v",
            "client_id": "c",
            "status": 200,
            "device": "desktop",
            "is_bot": False,
            "pixel_event": chance.random.choice(("page_view", "add_to_cart", "remove_from_cart", "purchase")),
            "session_id": f"s{chance.random.randrange(30)}",
            "sku": chance.word() if chance.happens(0.2) else "A",
            "quantity": 1,
            "unit_price": "2.55",
            "order_id": chance.unique("o"),
            "order_total": "1.00",
            "currency": "GBP",
        },
        "orders": {
            "order_id": chance.unique("o"),
            "channel": "store",
            "kind": "order",
            "currency": "GBP",
            "lines": lines,
            "customer_id": chance.word() if chance.happens(0.3) else f"c{chance.random.randrange(20)}",
            "total": "5.10",
        },
        "customers": {"customer_id": f"c{chance.random.randrange(20)}", "country": chance.word()},
        "social_media": {"post_id": chance.unique("p"), "platform": "x", "author": "a", "text": chance.word()},
        "customer_feedback": {"feedback_id": chance.unique("f"), "channel": "form", "text": chance.word(), "rating": 3},
        "weather_data": {"station": "S", "period_s": 3600, "temperature_c": 12.5},
        "customer_sentiment": {
            "subject_id": f"x/{chance.random.randrange(1_000)}",
            "subject": "post",
            "platform": "x",
            "label": "positive",
            "negative": 0.1,
            "neutral": 0.2,
            "positive": 0.7,
            "model_version": "vader",
            "scored_at": chance.time(),
        },
        "customer_behavior": {
            "customer_id": f"c{chance.random.randrange(20)}",
            "feature_cutoff": chance.time(),
            "orders": 1,
            "returns": 0,
            "monetary_value": "1.00",
            "repurchase_probability": 0.5,
            "segment": "new",
            "model_version": "rule",
            "scored_at": chance.time(),
        },
    }[topic]
    value = _line(chance, chance.spoilt(given, 0.4))
    return chance.mutated(value) if chance.happens(0.1) else value


def form_body(chance: Chance) -> bytes:
    """What a browser or another client sends from the feedback form."""
    fields = {
        "key": f"{chance.random.getrandbits(128):032x}",
        "rating": chance.random.choice(("1", "5", "", "9")),
        "text": chance.word()[:3_000],
        "subject": chance.word()[:300],
        "product_id": chance.word()[:300],
        "customer_id": chance.word()[:300],
    }
    body = urlencode({name: str(value) for name, value in chance.spoilt(fields, 0.3).items()}, errors="ignore").encode()
    return chance.mutated(body) if chance.happens(0.1) else body


def question(chance: Chance, secret_file: str) -> str:
    """A question to the SQL server."""
    statement = chance.random.choice(
        (
            "select * from core.orders limit 5",
            "select count(*) from marts.sales_daily",
            f"pragma import_database('{secret_file}')",
            f"select * from read_text('{secret_file}')",
            f"copy (select 1) to '{secret_file}.copy'",
            "attach 'x.db'",
            "install httpfs",
            "explain analyze copy (select 1) to 'f'",
            f"explain analyze copy (select 1) to '{secret_file}.copy'",
            f"pragma import_database('{secret_file}' || chr(0))",
            f"import database '{secret_file}'",
            f"export database '{secret_file}.copy'",
            f"select * from read_csv('{secret_file}')",
            f"select * from sniff_csv('{secret_file}')",
            f"select * from glob('{secret_file}*')",
            f"select query('from read_text(''{secret_file}'')')",
            "select * from duckdb_databases()",
            "select * from duckdb_secrets()",
            "select current_setting('secret_directory')",
            "select '=1+1' as \"=a\", chr(27) || '[31m' as b",
            "select 1e308 * 10, -0.0, 'nan'::double, '99999999999999.9999'::decimal(18, 4)",
            "summarize core.orders",
            "describe marts.sales_daily",
            "select variant_typeof(1::variant)",
            "prepare p as select 1",
            "begin",
            "select getenv('HOME')",
            "call duckdb_secrets()",
            "select 1; drop table core.orders",
            "select interval '1000000000 days'",
            "select repeat('x', 1000000000)",
            "select * from range(1000000000) a, range(1000000) b",
            "with recursive r as (select 1 union all select 1 from r) select count(*) from r",
            "select " + "(" * 3_000 + "1",
            "set memory_limit = '1TB'",
            "load spatial",
            "checkpoint",
            "from duckdb_settings()",
            "select * from '/etc/passwd'",
            "select query('select 1')",
            "pivot core.orders on kind using count(*)",
            "select date 'infinity', interval 2 months",
        )
    )
    if chance.happens(0.3):
        return statement + " " + chance.word()
    return chance.mutated(statement.encode()).decode(errors="replace") if chance.happens(0.3) else statement


def _line(chance: Chance, record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=chance.happens(0.5), allow_nan=True).encode(errors="surrogatepass")


def _csv(chance: Chance, names: tuple[str, ...], rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=chance.random.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)))
    writer.writerow(names)
    writer.writerows(rows)
    lines = out.getvalue().encode(errors="surrogatepass").splitlines(keepends=True)
    return lines[0] + b"".join(chance.mutated(line) if chance.happens(0.03) else line for line in lines[1:])
