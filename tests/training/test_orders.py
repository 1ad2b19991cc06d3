import random
from collections.abc import Iterable
from itertools import pairwise, permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.language.english import load_english
from tbpr_data.training.orders import ARO_OPTIONS, MAX_WORDS, ORDERS, aro_caption, order_perturbations

NOUNS = {"NN", "NNS", "NNP", "NNPS"}
ADJECTIVES = {"JJ", "JJR", "JJS"}
CAPTION = "The woman has long hair, and she wears a blue coat with black boots."
ODD = ["MAN", ".", "(", "!", "#", "'s", "\n", "", "\t", "\u3000", "\x00", "İ", "ŉ", "男人", "👗", "\u0301", "he's"]
WORDS = st.sampled_from([*CAPTION.split(), *ODD])
TEXTS = st.text(max_size=80) | st.lists(WORDS, max_size=45).map(" ".join) | st.lists(WORDS, max_size=25).map("".join)


class OnlyRandom(random.Random):
    """Refuses every method but the one that is the same in every Python."""

    def shuffle(self, *args):
        raise AssertionError("shuffle")

    def getrandbits(self, *args):
        raise AssertionError("getrandbits")


class Constant(random.Random):
    """Draws one number only, so that sorting by it leaves everything where it is."""

    def random(self):
        return 0.5


@pytest.fixture(scope="module")
def nlp():
    return load_english()


def made(nlp, text: str, name: str, seeds: int = 60) -> set[str]:
    """What a perturbation makes of a text over several seeds."""
    doc = nlp(text)
    runs = [order_perturbations(doc, random.Random(seed)) for seed in range(seeds)]
    return {run[name] for run in runs if name in run}


def tokens_of(doc) -> list[str]:
    return [token.text for token in doc if not token.is_space]


def bare(text: str) -> str:
    return aro_caption(text).replace(" ", "")


def test_nouns_and_adjectives_each_among_themselves(nlp):
    assert made(nlp, "A tall man wears a red shirt.", "shuffle_nouns_and_adj") == {
        "A red man wears a tall shirt .",
        "A tall shirt wears a red man .",
        "A red shirt wears a tall man .",
    }


def test_all_but_nouns_and_adjectives(nlp):
    assert made(nlp, "A man wears red shoes", "shuffle_allbut_nouns_and_adj") == {"wears man A red shoes"}


@pytest.mark.parametrize(
    ("tags", "moved"),
    [
        (["NN", "NNS", "NNP", "NNPS"], "shuffle_nouns_and_adj"),
        (["JJ", "JJR", "JJS"], "shuffle_nouns_and_adj"),
        (["DT", "IN", "VBG", "PRP$", "RB", ",", "CD"], "shuffle_allbut_nouns_and_adj"),
    ],
)
def test_which_tags_are_moved(nlp, tags, moved):
    from spacy.tokens import Doc

    doc = Doc(nlp.vocab, words=[f"w{place}" for place in range(len(tags))], tags=tags)
    runs = [order_perturbations(doc, random.Random(seed)) for seed in range(30)]
    for place in range(len(tags)):
        assert len({run[moved].split()[place] for run in runs}) > 1
    assert all(name == moved or name not in runs[0] for name in ARO_OPTIONS[:2])


def test_within_trigrams(nlp):
    texts = made(nlp, "A man wears red shoes", "shuffle_within_trigrams", seeds=300)
    expected = {" ".join([*a, *b]) for a in permutations(["A", "man", "wears"]) for b in permutations(["red", "shoes"])}
    assert texts == expected - {"A man wears red shoes"}


def test_trigrams_stay_whole(nlp):
    parts = ["The woman wears", "a red coat", "and shoes"]
    expected = {" ".join(order) for order in permutations(parts)} - {" ".join(parts)}
    assert made(nlp, " ".join(parts), "shuffle_trigrams", seeds=300) == expected


def test_all_words_keep_what_hangs_on_them(nlp):
    assert made(nlp, "a t-shirt,  red.", "shuffle_all_words", seeds=300) == {
        "a red. t-shirt,",
        "t-shirt, a red.",
        "t-shirt, red. a",
        "red. a t-shirt,",
        "red. t-shirt, a",
    }


def test_names_and_order(nlp):
    assert ARO_OPTIONS == (
        "shuffle_nouns_and_adj",
        "shuffle_allbut_nouns_and_adj",
        "shuffle_within_trigrams",
        "shuffle_trigrams",
    )
    assert tuple(order_perturbations(nlp(CAPTION), random.Random(0))) == (*ARO_OPTIONS, "shuffle_all_words")


@pytest.mark.parametrize("text", ["", " ", "man", "Man.", "...", "man man man MAN.", "# man !", "👗"])
def test_what_cannot_differ_is_left_out(nlp, text):
    assert order_perturbations(nlp(text), random.Random(0)) == {}


def test_what_cannot_differ_before_the_cut_is_left_out(nlp):
    text = "man " * (MAX_WORDS + 3) + "shirt bag"
    for seed in range(30):
        for name, perturbed in order_perturbations(nlp(text), random.Random(seed)).items():
            assert aro_caption(perturbed) != aro_caption(text), name
    assert "shuffle_within_trigrams" not in order_perturbations(nlp(text), random.Random(0))


def test_moved_full_stops_are_no_difference(nlp):
    assert "shuffle_all_words" not in order_perturbations(nlp("man . ! #"), random.Random(0))
    assert made(nlp, "man . shirt", "shuffle_all_words") == {"shirt man .", "shirt . man", ". shirt man"}


def test_draws_that_change_nothing_end_in_a_rotation(nlp):
    doc = nlp("A tall man wears a red shirt")
    assert order_perturbations(doc, Constant()) == {
        "shuffle_nouns_and_adj": "A tall shirt wears a red man",
        "shuffle_allbut_nouns_and_adj": "wears tall man a A red shirt",
        "shuffle_within_trigrams": "tall man A wears a red shirt",
        "shuffle_trigrams": "wears a red shirt A tall man",
        "shuffle_all_words": "tall man wears a red shirt A",
    }
    # Rotated by one it is still "a b" to a model.
    assert order_perturbations(nlp("! a b"), Constant())["shuffle_all_words"] == "b ! a"


def test_the_seed_alone_decides(nlp):
    doc = nlp(CAPTION)
    runs = [order_perturbations(doc, OnlyRandom(seed)) for seed in range(8)]
    assert runs == [order_perturbations(nlp(CAPTION), random.Random(seed)) for seed in range(8)]
    assert all(len({run[name] for run in runs}) > 3 for name in ORDERS)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, seed=st.integers())
@example(text="a  b \n c", seed=0)
@example(text="一个 男人 穿着 黑色 外套", seed=0)
@example(text=f"{CAPTION} " * 4, seed=0)
def test_any_text_keeps_the_promises(nlp, text, seed):
    doc = nlp(text)
    tokens, tags = tokens_of(doc), [token.tag_ for token in doc if not token.is_space]
    perturbed = order_perturbations(doc, random.Random(seed))
    assert perturbed == order_perturbations(doc, random.Random(seed))
    assert list(perturbed) == [name for name in ORDERS if name in perturbed]
    for name, result in perturbed.items():
        source, pieces = (text.split(), result.split()) if name == "shuffle_all_words" else (tokens, result.split(" "))
        assert sorted(pieces) == sorted(source)
        assert bare(result) != bare(" ".join(source))
        if len(" ".join(source).split()) <= MAX_WORDS:
            assert bare(result) != bare(text)
        assert in_their_places(name, source, pieces, tags)


def in_their_places(name: str, source: list[str], pieces: list[str], tags: list[str]) -> bool:
    moved = [i for i, (old, new) in enumerate(zip(source, pieces, strict=True)) if old != new]
    match name:
        case "shuffle_nouns_and_adj":
            return all(
                sorted(source[i] for i in moved if tags[i] in kind)
                == sorted(pieces[i] for i in moved if tags[i] in kind)
                for kind in (NOUNS, ADJECTIVES)
            ) and all(tags[i] in NOUNS | ADJECTIVES for i in moved)
        case "shuffle_allbut_nouns_and_adj":
            return all(tags[i] not in NOUNS | ADJECTIVES for i in moved)
        case "shuffle_within_trigrams":
            return all(sorted(source[i : i + 3]) == sorted(pieces[i : i + 3]) for i in range(0, len(source), 3))
        case "shuffle_trigrams":
            whole = sorted(cut(source, range(0, len(source), 3)))
            return any(sorted(cut(pieces, starts)) == whole for starts in trigram_starts(len(source)))
    return name == "shuffle_all_words"


def cut(pieces: list[str], starts: Iterable[int]) -> list[str]:
    return [" ".join(pieces[start:end]) for start, end in pairwise([*starts, len(pieces)])]


def trigram_starts(count: int) -> list[list[int]]:
    """Where trigrams may begin once moved: the short one, if there is one, may be anywhere."""
    short = count % 3
    if not short:
        return [list(range(0, count, 3))]
    return [[*range(0, at + 1, 3), *range(at + short, count, 3)] for at in range(0, count, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('A "RED" shirt; (blue) bag: #1 *new* ~ok!', "a red shirt blue bag 1 new ok"),
        ("white-and-black T-shirt, jeans?", "white-and-black t-shirt, jeans?"),
        ("  a\tman \n\n walks . ", "a man walks"),
        ("", ""),
        (" ".join(map(str, range(40))), " ".join(map(str, range(30)))),
    ],
)
def test_aro_caption(text, expected):
    assert aro_caption(text) == expected
    assert aro_caption(expected) == expected
