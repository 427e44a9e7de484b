"""What the sentiment model reads of a text: the same in any batch, in time proportional to the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.data_science.models.sentiment.text import read, read_all
from headrace.cases.data_science.models.sentiment.vader import Vader
from headrace.models.kernels.vader import polarities
from tests.unit.doubling import assert_linear


@given(st.lists(st.text(max_size=40), max_size=4))
def test_texts_are_read_the_same_together_and_alone(texts: list[str]) -> None:
    assert read_all([(text, "de") for text in texts]) == [read(text, "de") for text in texts]


UNITS = (
    "<!--", "<a ", "<a>", "-->", "@a ", "@", "x@y.", "http://", "www.", "#a", "&#9", "&amp", "aaa ", "a",
    "a\u0327\u0301", "\u0327\u0301", "😀", "hello world ", "очень плохо ", "but good ", "bad ", "the least ",
    "never so good but ", "kind of ", "! ",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_is_cleaned_identified_and_scored_in_time_linear_in_its_length(unit: str) -> None:
    scorer = Vader()

    def scored(text: str) -> None:
        scorer.score([read(text, None).text])

    assert_linear(scored, lambda parts: unit * parts, 3_000)
    assert_linear(lambda text: polarities([text]), lambda parts: unit * parts, 3_000)


@pytest.mark.parametrize("text", ["&#" + "9" * 5_000 + ";", "&#" + "0" * 5_000 + "65;", "&#x" + "f" * 5_000 + ";"])
def test_a_character_reference_of_any_length_is_read(text: str) -> None:
    assert len(read(text + " a good thing it was, all in all", None).text) < 40


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("これはひどい", "ja"),
        ("очень плохо", "ru"),
        ("很差", "zh"),
        ("나빠요", "ko"),
        ("سيء جدا", "ar"),
        ("ok, очень плохо", "ru"),
        ("\u1401\u1402", "und"),
    ],
)
def test_a_short_text_in_another_script_is_not_read_as_english(text: str, language: str) -> None:
    found = read(text, None)
    assert found.unreadable == "language"
    assert found.language == language or language == "und"
    assert read(text, "en").unreadable == "language"


@pytest.mark.parametrize(
    "text",
    ["bad", "\uff42\uff41\uff44", "\U0001d4eb\U0001d4ea\U0001d4ed", "ﬁne²", "très bien", "ok 👍", "\u03b1 is bad"],
)
def test_a_short_text_in_latin_letters_is_read(text: str) -> None:
    assert (read(text, None).language, read(text, None).unreadable) == ("en", None)
