"""Kernels for whole batches give what the libraries give: to the last bit, but for a language's probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentimentIntensityAnalyzer

from headrace.cases.data_science.models.sentiment import domain
from headrace.models.kernels.interface import Kernels
from headrace.models.kernels.library import LIBRARY
from headrace.models.kernels.vader import polarities
from headrace.models.kernels.words import LONGEST_WORD, MOST_WORDS, Words
from headrace.models.scoring import kernels
from headrace.models.vectorized import VECTORIZED
from headrace.models.vectorized.language import LONGEST
from headrace.models.vectorized.trees import trees
from tests.shared_data import shared

ROWS, COLUMNS = 2_000, 6


def _rows(seed: int, size: int = ROWS) -> NDArray[np.float64]:
    """Rows with ties and missing values."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(size, COLUMNS)).round(1)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows


FOREIGN = ("Das Paket kam leider viel zu spät an.", "配達が遅れました。", "LE COLIS EST ARRIVÉ", "", "12 34", "ﬁne²")
THEIRS = SentimentIntensityAnalyzer()
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


def _assert_polarities_are_vaders(texts: list[str]) -> None:
    expected = [list(THEIRS.polarity_scores(text).values()) for text in texts]
    assert polarities(texts).tolist() == expected


def test_the_polarity_of_real_sentences_is_vaders(sentences: list[str]) -> None:
    _assert_polarities_are_vaders(sentences)


@given(st.lists(st.one_of(st.sampled_from(RULES), st.sampled_from(OTHERS), st.sampled_from(sorted(THEIRS.lexicon)))))
def test_every_rule_of_vader_is_kept(words: list[str]) -> None:
    texts = [" ".join(words), "", " ".join(word.upper() if number % 3 else word for number, word in enumerate(words))]
    _assert_polarities_are_vaders(texts)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_the_polarity_of_any_text_is_vaders(texts: list[str]) -> None:
    _assert_polarities_are_vaders(texts)


def test_counts_are_the_vectorizers_to_the_last_bit(sentences: list[str]) -> None:
    vectorizer = TfidfVectorizer(**domain.CHARACTERS).fit(sentences[::2])
    odd = ["", "!?", "a", "Ünïcode\u00a0ﬁne ΑΣ ΣΑΣ", "don't don't", "\u0301x y", "zzzzqq"]
    texts = [*sentences[:600], *odd]
    weights = VECTORIZED.weights(vectorizer, texts)
    assert (weights != LIBRARY.weights(vectorizer, texts)).nnz == 0
    assert (VECTORIZED.weights(vectorizer, [texts[7]]) != weights[7]).nnz == 0


@given(st.lists(st.text(max_size=30), max_size=5))
def test_counts_of_any_text_are_the_vectorizers(texts: list[str]) -> None:
    vectorizer = TfidfVectorizer(**domain.CHARACTERS).set_params(min_df=1).fit(["a b", "Aa bb?", *texts])  # pyright: ignore[reportArgumentType]
    batch = ["b a", *texts]
    assert (VECTORIZED.weights(vectorizer, batch) != LIBRARY.weights(vectorizer, batch)).nnz == 0


def _assert_languages_are_py3langids(texts: list[str]) -> None:
    for found, expected in zip(VECTORIZED.languages(texts), LIBRARY.languages(texts), strict=True):
        assert (found.name, found.probability) == (expected.name, pytest.approx(expected.probability, abs=1e-4))


def test_languages_of_real_sentences_are_py3langids_in_any_batch(sentences: list[str]) -> None:
    long = " ".join(sentences[:40])
    assert len(long) > LONGEST
    texts = [long, *sentences[-400:]]
    _assert_languages_are_py3langids(texts)
    alone = [VECTORIZED.languages([text])[0] for text in texts[:50]]
    assert alone == VECTORIZED.languages(texts)[:50]


@given(st.lists(st.text(st.characters(max_codepoint=0x3FF), max_size=60), max_size=4))
def test_the_language_of_any_text_is_py3langids(texts: list[str]) -> None:
    for found, expected in zip(VECTORIZED.languages(texts), LIBRARY.languages(texts), strict=True):
        # Of languages that are as likely as each other, the order of sums decides.
        assert found.probability == pytest.approx(expected.probability, abs=1e-4)
        assert found.name == expected.name or expected.probability < 0.5


def test_words_without_end_do_not_fill_the_memory() -> None:
    words = Words(len)
    assert all(words[str(number)] == len(str(number)) for number in range(MOST_WORDS + 10))
    assert len(words) == 10
    assert words["x" * (LONGEST_WORD + 1)] == LONGEST_WORD + 1
    assert len(words) == 10


@pytest.mark.parametrize("leaves", [2, 5, 8])
def test_trees_as_lookups_predict_the_same_to_the_last_bit(leaves: int) -> None:
    learned, judged = _rows(1), _rows(2)
    judged[0], judged[1] = np.inf, -np.inf
    # Of a column that was complete, a missing value may still be judged.
    learned[:, 1] = np.nan_to_num(learned[:, 1])
    known = np.nan_to_num(learned)
    chance = np.random.default_rng(3).normal(size=ROWS)
    classifier = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=leaves)
    classifier.fit(learned, (known[:, 0] + known[:, 1] ** 2 + chance > 0.5).astype(np.int64))
    regressor = HistGradientBoostingRegressor(loss="poisson", max_iter=60, max_leaf_nodes=leaves).fit(
        learned, np.exp(known[:, 0])
    )
    assert VECTORIZED.positive(classifier, judged).tolist() == LIBRARY.positive(classifier, judged).tolist()
    assert VECTORIZED.predicted(regressor, judged).tolist() == LIBRARY.predicted(regressor, judged).tolist()
    assert trees(classifier) is trees(classifier)


def test_a_row_scores_the_same_in_any_batch() -> None:
    learned = _rows(1)
    regressor = HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=8).fit(learned, np.nan_to_num(learned[:, 0]))
    judged = _rows(2, 50)
    alone = np.concatenate([trees(regressor).raw(judged[[row]]) for row in range(50)])
    assert alone.tolist() == trees(regressor).raw(judged).tolist()


def test_larger_trees_are_rejected() -> None:
    learned = _rows(1)
    regressor = HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=31).fit(learned, np.nan_to_num(learned[:, 0]))
    with pytest.raises(ValueError, match="eight leaves"):
        trees(regressor)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2).filter(
        lambda rows: len({c for c, _ in rows}) == 2
    )
)
def test_the_area_under_any_roc_curve_is_scikit_learns(rows: list[tuple[int, float]]) -> None:
    labels = np.fromiter((label for label, _ in rows), np.int64, len(rows))
    probabilities = np.fromiter((each for _, each in rows), np.float64, len(rows))
    assert VECTORIZED.auc(labels, probabilities) == pytest.approx(LIBRARY.auc(labels, probabilities), abs=1e-9)


@pytest.mark.parametrize(
    ("setting", "expected"), [(None, VECTORIZED), ("vectorized", VECTORIZED), ("library", LIBRARY)]
)
def test_a_setting_chooses_the_libraries_themselves(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, expected: Kernels
) -> None:
    if setting is not None:
        monkeypatch.setenv("HEADRACE_SCORING", setting)
    assert kernels.__wrapped__() is expected
