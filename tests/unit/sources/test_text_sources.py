"""Labeled sentences, and recorded posts of two networks."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.data_science.sources.bluesky import jetstream
from headrace.cases.data_science.sources.mastodon import messages as mastodon
from headrace.cases.data_science.sources.texts import labelled
from headrace.contracts.decoding import InvalidRecord
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.html_text import html_to_text
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.walking import Walk, pieces, walk, walk_file

PSEUDONYMIZE = pseudonymizer(b"key")


def test_every_labeled_sentence_is_accepted(tmp_path: Path) -> None:
    for name in ("amazon_cells_labelled.txt", "yelp_labelled.txt"):
        found = walk_file(tmp_path, "labelled", shared(f"labelled-sentences/{name}"))
        assert found.counts == (1_000, 0, 0)
        assert {item.topic for item in found.accepted} == {"customer_feedback"}
        assert [event.label for event in found.events].count("positive") == 500
        assert len({event.event_id for event in found.events}) == 1_000


@pytest.mark.parametrize("path", ["tweets-xlmt-en", "tweets-xlmt-en/train_text.txt"])
def test_tweets_with_labels_are_posts(tmp_path: Path, path: str) -> None:
    found = walk_file(tmp_path, "labelled", shared(path))
    assert found.counts == (1_839, 0, 0)
    assert {item.topic for item in found.accepted} == {"social_media"}
    labels = [event.label for event in found.events]
    assert [labels.count(label) for label in ("negative", "neutral", "positive")] == [613, 613, 613]
    assert found.events[0].text.startswith("okay i\u2019m sorry but TAYLOR SWIFT")
    assert {event.platform for event in found.events} == {"twitter"}


def test_the_destination_can_be_chosen(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "labelled", shared("tweets-xlmt-en"), Options(to="customer_feedback"))
    assert {item.topic for item in found.accepted} == {"customer_feedback"}


def test_the_last_tab_separates_and_a_2_makes_three_classes() -> None:
    content = b'a\t"b"\t1\nx\t0\n'
    assert labelled.count_classes(pieces(content)) == 2
    found = walk(labelled.sentences(pieces(content), 2))
    assert [(event.text, event.label) for event in found.events] == [('a\t"b"', "positive"), ("x", "negative")]
    assert labelled.count_classes(pieces(content + b"y\t2\n")) == 3
    found = walk(labelled.sentences(pieces(content + b"y\t2\n"), 3))
    assert [event.label for event in found.events] == ["neutral", "negative", "positive"]


def test_lines_without_text_or_label_are_rejected() -> None:
    assert walk(labelled.sentences(pieces(b"no tab\n\t1\nx\t7\nx\t\n\nx\t1"), 2)).counts == (1, 4, 1)
    found = walk(labelled.text_and_labels(pieces(b"a\nb\n\nd\ne\n"), pieces(b"0\n9\n1\n2\n")))
    assert found.counts == (2, 3, 0)
    assert walk(labelled.text_and_labels(pieces(b"a\n"), pieces(b"0\n1\n"))).counts == (1, 1, 0)


def test_escapes_are_decoded_and_a_lone_surrogate_never_gets_out() -> None:
    found = walk(labelled.text_and_labels(pieces(rb"\ud83d\ude00 \u002c \u12"), pieces(b"0")))
    assert found.events[0].text == "😀 , \\u12"
    found = walk(labelled.text_and_labels(pieces(rb"\ud83d"), pieces(b"0")))
    with pytest.raises(InvalidRecord, match="surrogate"):
        _ = found.values


def post(**changes: Any) -> bytes:
    record = {"$type": "app.bsky.feed.post", "createdAt": "2026-05-25T14:23:28.757Z", "text": "hi", "langs": ["en"]}
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k", "record": record}
    message = {"did": "did:plc:a", "time_us": 1_779_719_009_157_119, "kind": "commit", "commit": commit}
    record |= changes.pop("record", {})
    commit |= changes.pop("commit", {})
    return json.dumps(message | changes).encode()


def stream(*lines: bytes) -> Walk:
    return walk(jetstream.outcomes(pieces(b"\n".join(lines)), PSEUDONYMIZE))


def test_of_the_recorded_jetstream_only_creates_of_posts_with_text_are_taken(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "jetstream", shared("bluesky-jetstream/jetstream_golden_v1.jsonl"))
    assert found.counts == (1, 0, 9)
    (event,) = found.events
    assert (event.platform, event.language, event.is_reply, event.deleted) == ("bluesky", "en", True, False)
    assert event.event_time == datetime(2026, 5, 25, 14, 23, 28, 757_000, tzinfo=UTC)
    assert b"did:plc" not in b"".join(found.values)


def test_a_delete_names_the_same_post_as_its_create() -> None:
    found = stream(post(), post(commit={"operation": "delete", "record": None}))
    created, deleted = found.events
    assert found.counts == (2, 0, 0)
    assert (created.post_id, created.author) == (deleted.post_id, deleted.author)
    assert created.event_id != deleted.event_id
    assert deleted.deleted
    assert deleted.text is None


def test_a_clock_that_is_years_off_is_not_used() -> None:
    for time in ("1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "noon", None):
        (event,) = stream(post(record={"createdAt": time})).events
        assert event.event_time == datetime(2026, 5, 25, 14, 23, 29, 157_119, tzinfo=UTC)


def test_broken_messages_are_refused_and_the_next_good_one_is_taken() -> None:
    bad = [
        b"not json",
        post()[:-5],
        post(did=""),
        post(time_us=0),
        post(time_us=10**18),
        post(time_us=10**40),
        post(time_us="soon"),
        post(commit={"rkey": ""}),
        post(record={"text": 5}),
        json.dumps({"kind": "commit"}).encode(),
        b"[" * 100_000,
        b"\xff\xfe",
        post(record={"text": "X"}).replace(b'"X"', rb'"\ud800"'),
    ]
    found = stream(*bad, post(), post(record={"text": " "}), post(commit={"operation": "update"}), b"")
    assert (len(found.accepted), len(found.rejected)) == (1, len(bad))
    assert [rejected.raw for rejected in found.rejected] == bad


def status(**changes: Any) -> dict[str, Any]:
    account = {"acct": "ann", "uri": "https://social.example/users/ann"}
    given = {
        "id": "1",
        "created_at": "2026-08-01T13:49:42.878Z",
        "visibility": "public",
        "content": "<p>Hi</p>",
        "account": account,
        "reblog": None,
    }
    return given | changes


def test_addresses_in_posts_become_pseudonyms() -> None:
    text = "Mail joe@bücher.example or see /log?ip=198.51.100.7"
    mail, client = PSEUDONYMIZE("email", "joe@bücher.example"), PSEUDONYMIZE("client", "198.51.100.7")
    found = [*stream(post(record={"text": text})).events, *toots(status(content=f"<p>{text}</p>")).events]
    assert [event.text for event in found] == [f"Mail {mail} or see /log?ip={client}"] * 2


def toots(*statuses: dict[str, Any]) -> Walk:
    return walk(mastodon.outcomes(pieces("\n".join(map(json.dumps, statuses)).encode()), PSEUDONYMIZE))


def test_of_the_recorded_statuses_only_public_ones_are_taken(tmp_path: Path) -> None:
    path = shared("mastodon-api-json/statuses.jsonl")
    found = walk_file(tmp_path, "mastodon", path)
    raw = [json.loads(line) for line in path.read_bytes().splitlines()]
    originals = sum(item["visibility"] == "public" and item["reblog"] is None for item in raw)
    assert sum(found.counts) == len(raw) == 130
    assert sum(not event.is_repost for event in found.events) == originals == 72
    assert sum(event.is_repost for event in found.events) == 1
    assert not found.rejected
    assert not any("<" in (event.text or "") for event in found.events)
    assert "mastodonpy_test " not in b"".join(found.values).decode().replace("@mastodonpy_test ", "")


def test_a_recorded_event_stream_gives_its_posts_edits_and_deletes(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "mastodon", shared("mastodon-api-json/streaming_events.txt"))
    assert found.counts == (4, 0, 6)
    first, edited, deleted, _ = found.events
    assert first.post_id == edited.post_id == deleted.post_id == "117024236332527350"
    assert first.author == deleted.author
    assert len({first.event_id, edited.event_id, deleted.event_id}) == 3
    assert deleted.deleted
    assert first.event_time <= deleted.event_time


def test_a_reblog_is_marked_and_taken_only_when_the_original_is_public() -> None:
    found = toots(status(content="", reblog=status(id="0", content="<p>Original</p>", language="de")))
    assert [(event.text, event.language, event.is_repost) for event in found.events] == [("Original", "de", True)]
    assert toots(status(reblog=status(visibility="unlisted"))).counts == (0, 0, 1)
    assert toots(*(status(visibility=name) for name in ("unlisted", "private", "direct"))).counts == (0, 0, 3)


def test_broken_statuses_are_refused() -> None:
    found = toots(
        status(),
        status(created_at="noon"),
        status(id=7),
        status(id=""),
        status(account=None),
        {"hello": "world"},
    )
    assert found.counts == (1, 5, 0)


def test_markup_that_browsers_show_nothing_of_is_a_post_without_text() -> None:
    assert [event.text for event in toots(status(content="<![foo[bar]]>")).events] == [None]


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", [b"", MARK, b"\n \n"])
def test_a_saved_timeline_is_read_status_by_status(tmp_path: Path, before: bytes, indent: int | None) -> None:
    posts = [status(), status(id="2", content="x" * 600_000)]
    timeline: list[object] = [*posts, status(visibility="direct"), {"id": 3}, "no"]
    path = tmp_path / "timeline.json"
    path.write_bytes(before + json.dumps(timeline, indent=indent).encode())
    found = walk_file(tmp_path, "mastodon", path)
    assert found.counts == (2, 2, 1)
    assert [event.post_id for event in found.events] == ["1", "2"]
    lines = toots(*posts)
    assert [event.event_id for event in lines.events] == [event.event_id for event in found.events]


@pytest.mark.parametrize("content", [b"[{", b"[] x", b"<html>", b"hello\n", b"[" * 100_000, b"PK\x03\x04"])
def test_a_file_that_is_no_recording_of_mastodon_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "timeline.json"
    path.write_bytes(content)
    with pytest.raises(Terminal):
        walk_file(tmp_path, "mastodon", path)


@pytest.mark.parametrize("source", ["mastodon", "jetstream", "labelled"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path, source: str) -> None:
    line = {"mastodon": json.dumps(status()).encode(), "jetstream": post(), "labelled": b"fine\t1"}[source]
    path = tmp_path / "recording.txt"
    path.write_bytes(MARK + line + b"\n" + line + b"\n")
    found = walk_file(tmp_path, source, path)
    assert found.counts == (2, 0, 0)
    assert not any(event.text.startswith("\ufeff") for event in found.events)


def test_an_event_stream_without_its_last_blank_line_is_read_to_the_end() -> None:
    content = b':)\nevent: delete\ndata: 5\n\n:\n\nevent: update\ndata: {"id"\n\nevent: delete\ndata: 9'
    found = walk(mastodon.outcomes(pieces(content), PSEUDONYMIZE))
    assert found.counts == (2, 1, 0)
    assert [event.post_id for event in found.events] == ["5", "9"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<br>two<br />three</p><p>four</p>", "one\ntwo\nthree\n\nfour"),
        ("a &lt;b&gt; &amp; &#39;c&#39; &nbsp;d", "a <b> & 'c' \xa0d"),
        ('<a href="x"><span class="invisible">https://</span><span>e.org/a</span></a>', "https://e.org/a"),
        ("<script>alert(1)</script>text<style>x</style>", "text"),
        ("", ""),
    ],
)
def test_html_becomes_the_text_a_reader_sees(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.binary(max_size=300))
def test_no_bytes_make_the_sources_fail(content: bytes) -> None:
    for found in (
        stream(content),
        walk(mastodon.outcomes(pieces(b":\n" + content), PSEUDONYMIZE)),
        walk(mastodon.outcomes(pieces(b"{}\n" + content), PSEUDONYMIZE)),
        walk(mastodon.outcomes(pieces(b"event: update\ndata: " + content), PSEUDONYMIZE)),
    ):
        assert len(found.values) == len(found.accepted)


def test_the_pseudonym_key_is_created_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    key = load_key(settings)
    assert load_key(settings) == key
    assert (settings.secrets / "pseudonym_key").stat().st_mode & 0o777 == 0o600
    assert settings.secrets.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in settings.secrets.iterdir()] == ["pseudonym_key"]
    assert pseudonymizer(key)("client", "a") != pseudonymizer(key)("user", "a")
