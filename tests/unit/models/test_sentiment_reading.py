"""What the sentiment model reads of a text in batches is what its sources read of it alone, and no batch changes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from sklearn.feature_extraction.text import TfidfVectorizer
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentimentIntensityAnalyzer

from models.sentiment import domain
from models.sentiment.counting import Counter
from models.sentiment.language import LONGEST, languages
from models.sentiment.polarity import Analyzer
from models.sentiment.scorer import Vader
from models.sentiment.text import read, read_all
from models.sentiment.words import LONGEST_WORD, MOST_WORDS, Words, split
from tests.shared_data import shared
from tests.unit.doubling import assert_linear

FOREIGN = ("Das Paket kam leider viel zu spät an.", "配達が遅れました。", "LE COLIS EST ARRIVÉ", "", "12 34", "ﬁne²")
OURS, THEIRS = Analyzer(), SentimentIntensityAnalyzer()
RULES = (
    *NEGATE,
    *BOOSTER_DICT,
    *SPECIAL_CASES,
    "no",
    "or",
    "nor",
    "least",
    "at",
    "so",
    "this",
    "doubt",
)
OTHERS = (
    "but",
    "But",
    "kind",
    "of",
    "the",
    "good",
    "GOOD",
    "bad",
    "awful",
    "love",
    ":)",
    "!!",
    "?",
    "??",
    "😀",
    "💘x",
    "i̇",
)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    lines = [line for file in shared("labelled-sentences").glob("*.txt") for line in file.read_text().splitlines()]
    tweets = shared("tweets-xlmt-en/train_text.txt").read_text().splitlines()
    return [*(line.rsplit("\t", 1)[0] for line in lines), *tweets, *FOREIGN]


def _polarities(texts: list[str]) -> list[list[float]]:
    return [list(THEIRS.polarity_scores(text).values()) for text in texts]


def test_the_polarity_of_real_sentences_is_vaders(sentences: list[str]) -> None:
    assert OURS.polarities(sentences).tolist() == _polarities(sentences)


@given(st.lists(st.one_of(st.sampled_from(RULES), st.sampled_from(OTHERS), st.sampled_from(sorted(THEIRS.lexicon)))))
def test_every_rule_of_vader_is_kept(words: list[str]) -> None:
    texts = [" ".join(words), "", " ".join(word.upper() if number % 3 else word for number, word in enumerate(words))]
    assert OURS.polarities(texts).tolist() == _polarities(texts)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_the_polarity_of_any_text_is_vaders(texts: list[str]) -> None:
    assert OURS.polarities(texts).tolist() == _polarities(texts)


@pytest.mark.parametrize("settings", [domain.WORDS, domain.CHARACTERS], ids=["words", "characters"])
def test_counts_are_the_vectorizers_to_the_last_bit(sentences: list[str], settings: dict[str, object]) -> None:
    vectorizer = TfidfVectorizer(**settings).fit(sentences[::2])  # pyright: ignore[reportArgumentType]
    odd = ["", "!?", "a", "Ünïcode\u00a0ﬁne ΑΣ ΣΑΣ", "don't don't", "\u0301x y", "zzzzqq"]
    texts = [*sentences[:600], *odd]
    said, expected = Counter(vectorizer).transform(split(texts)), vectorizer.transform(texts)
    assert (said != expected).nnz == 0
    alone = Counter(vectorizer).transform(split([texts[7]]))
    assert (alone != said[7]).nnz == 0


@given(st.lists(st.text(max_size=30), max_size=5))
def test_counts_of_any_text_are_the_vectorizers(texts: list[str]) -> None:
    for settings in (domain.WORDS, domain.CHARACTERS):
        vectorizer = TfidfVectorizer(**settings).set_params(min_df=1).fit(["a b", "Aa bb?", *texts])  # pyright: ignore[reportArgumentType]
        assert (Counter(vectorizer).transform(split(["b a", *texts])) != vectorizer.transform(["b a", *texts])).nnz == 0


def test_languages_are_py3langids_whatever_the_batch(sentences: list[str]) -> None:
    long = " ".join(sentences[:40])
    assert len(long) > LONGEST
    texts = [long, *sentences[-400:]]
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    told = languages(texts)
    for (language, probability), text in zip(told, texts, strict=True):
        name, expected = identifier.classify(text)
        assert (language, probability) == (name, pytest.approx(expected, abs=1e-4))
    assert [languages([text])[0] for text in texts[:50]] == told[:50]


@given(st.lists(st.text(max_size=40), max_size=4))
def test_texts_are_read_the_same_together_and_alone(texts: list[str]) -> None:
    assert read_all([(text, "de") for text in texts]) == [read(text, "de") for text in texts]


def test_words_without_end_do_not_fill_the_memory() -> None:
    words = Words(len)
    assert all(words[str(number)] == len(str(number)) for number in range(MOST_WORDS + 10))
    assert len(words) == 10
    assert words["x" * (LONGEST_WORD + 1)] == LONGEST_WORD + 1
    assert len(words) == 10


UNITS = (
    "<!--", "<a ", "<a>", "-->", "@a ", "@", "x@y.", "http://", "www.", "#a", "&#9", "&amp", "aaa ", "a",
    "a\u0327\u0301", "\u0327\u0301", "😀", "hello world ", "очень плохо ", "but good ", "bad ", "the least ",
    "never so good but ", "kind of ", "! ",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_is_cleaned_told_and_scored_in_time_proportional_to_its_length(unit: str) -> None:
    scorer = Vader()

    def scored(text: str) -> None:
        scorer.score([read(text, None).text])

    assert_linear(scored, lambda parts: unit * parts, 3_000)


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
