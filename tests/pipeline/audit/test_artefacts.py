import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.audit.artefacts import artefacts
from tbpr_data.pipeline.audit.articles import wrong_articles
from tbpr_data.pipeline.audit.grammar import wrong_agreement

SOURCE = "A man in a red shirt (with a logo) holds a black bag, a hat and a pair of shoes. His trousers are blue."
WORDS = st.sampled_from(
    [
        *SOURCE.split(),
        "a",
        "an",
        "A",
        "of",
        "shoes",
        "is",
        "U-neck",
        "8",
        "²",
        "١",
        "İ",
        "ŉ",
        "ǆ",
        "\u0301",
        '"',
        "'",
        "\x00",
    ]
)
TEXTS = st.text(max_size=60) | st.lists(WORDS, max_size=20).map(" ".join) | st.lists(WORDS, max_size=20).map("".join)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("shirt (", "coat (", {}),
        ("bag,", "bag ,", {"spacing": 1}),
        ("logo)", "logo )", {"spacing": 1}),
        ("(with", "( with", {"spacing": 1}),
        ("red shirt", "red  shirt", {"spacing": 1}),
        ("bag, a", "bag,a", {"spacing": 1}),
        ("shoes. His", "shoes.His", {"spacing": 1}),
        ("blue.", "blue. ", {"spacing": 1}),
        ("A man", " A man", {"spacing": 1}),
        ("bag, a hat", "bag, , a hat", {"spacing": 2}),  # two stops in a row, and a blank before one
        ("a logo", 'a logo " Nike "', {"spacing": 2}),
        ("a logo", 'a "Nike" logo', {}),
        ("a logo", "a 3.5 cm logo", {}),
        ("shoes. ", "shoes.\n\n", {}),
        ("A man", "a man", {"capital": 1}),
        ("His trousers", "his trousers", {"capital": 1}),
        ("a red", "a Red", {"capital": 1}),
        ("black bag", "Man", {"capital": 1}),
        ("black bag", "A black bag", {"capital": 1, "agreement": 1}),
        ("a red shirt", "a Nike T-shirt", {}),
        ("a red shirt", "a Chinese V-neck shirt", {}),
        ("a logo", 'a logo "The Red Man"', {}),
        ("a logo", "a USA logo", {}),
        ("black bag", "orange bag", {"article": 1}),
        ("red shirt", "coat on an bag", {"article": 1}),
        ("red shirt", "shirts", {"agreement": 1}),
        ("a logo", "the logo", {}),
    ],
)
def test_what_an_edit_broke(old, new, expected):
    assert artefacts(SOURCE, SOURCE.replace(old, new, 1)) == expected


def test_what_the_caption_has_itself_is_not_counted():
    source = "he S wearing a orange shirt , a Gray pants and blue jeans.his shoes is  black "
    assert artefacts(source, source.replace("orange", "olive").replace("black", "Gray")) == {}
    assert artefacts(source, source.replace("blue", "an blue")) == {"article": 1, "agreement": 1}
    # A name keeps the capital that it opened the caption with; a common word does not.
    assert artefacts("Asian woman in a red coat.", "Red woman in an Asian coat.") == {}
    assert artefacts("Woman in a red coat.", "Coat in a red Woman.") == {"capital": 1}
    # The stop was missing before: "She" stands where "He" did.
    assert artefacts("A man in red He walks.", "A man in red She walks.") == {}


@pytest.mark.parametrize(
    "text",
    [
        *("a university", "an hour", "a one-piece", "a U-neck", "an A-line dress", "a unisex shirt", "a European man"),
        *("an 8-year-old", "an 11 on it", "a 7", "an 18th", "a 100", "an 80s look", "a 1990s look", "a used bag"),
        *("an oversized shirt", "an off-white shirt", "an X-ray", "a onesie", "an heirloom", "an unbuttoned shirt"),
        *(
            "a NASA logo",
            "an NBA jersey",
            "an xl shirt",
            "a historic",
            "an historic",
            "a herb",
            "an herb",
            "vitamin a.",
        ),
        *('an "Adidas" shirt', "An orange bag", "a\norange"[:1], "an étagère", "a ²", "in-a orange"),
    ],
)
def test_articles_that_sound_right_or_cannot_be_told(text):
    assert wrong_articles(text) == []


@pytest.mark.parametrize(
    "text",
    [
        *("an university", "a hour", "an one-piece", "an U-neck", "a A-line dress", "a orange", "a 8-year-old"),
        *("a 11", "an 7", "an 100", "a umbrella", "a unbuttoned shirt", 'a "Adidas" shirt', "A  orange", "an onesie"),
    ],
)
def test_articles_that_sound_wrong(text):
    assert len(wrong_articles(text)) == 1


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("He wears a pants.", "article"),
        ("A man in a black and white jeans with a hat", "article"),
        ("a pair of shirt.", "pair"),
        ("a pair of long black shoe and a hat", "pair"),
        ("A man walks. His black shoes is new.", "verb"),
        ("The shirt are red.", "verb"),
        ("It is clear that they has a bag.", "verb"),
        ("She wears this shoes.", "demonstrative"),
        ("A man in that black pants.", "demonstrative"),
        ("those red shirt", "demonstrative"),
        ("in the the street", "doubled"),
        ("with a a bag", "doubled"),
        ("with the a bag", "doubled"),
        ("A shirt and and a bag", "doubled"),
        ("a hat with with a logo", "doubled"),
        ("A man with .", "loose"),
        ("A hat, a bag, and.", "loose"),
        ("A hat and , a bag", "loose"),
        ("A man wearing and a bag", "loose"),
        ("A man with a", "loose"),
        ("A man with a in the street", "loose"),
    ],
)
def test_grammar_that_is_broken(text, sort):
    assert [found for found, _ in wrong_agreement(text).elements()] == [sort]


@pytest.mark.parametrize(
    "text",
    [
        "A man in a jeans jacket and a pair of black pants has a dress and a glass.",
        "A man in a grey tee-shirt and beige shorts.",
        "A man in black shoes is walking, his hands in his pockets.",
        "The man with glasses and shoes is here. His pants and shirt are blue, his hair is black.",
        "His black and white shoes are new. Her feet are bare. Their clothes are dark.",
        "A woman with a pair of glasses, a pair of blue jean shorts and two pairs of shoes.",
        "He has that shirt that shoes would match, and those with stripes. This man's shoes are red.",
        "Does she have a bag that that man had had? Behind her the street is very very long.",
        "The person looks back, and so on, with his hood on.",
        "black/white and/or grey",
    ],
)
def test_grammar_that_is_whole(text):
    assert not wrong_agreement(text)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, other=TEXTS)
@example(text="\ud83d a \ud83d", other="")
@example(text="a '' an '-' A\u0301 8²", other="a 0" + "9" * 30)
def test_any_text(text, other):
    assert artefacts(text, text) == {}
    assert all(count > 0 for count in artefacts(text, other).values())
    assert set(artefacts(text, other)) <= {"spacing", "capital", "article", "agreement"}
