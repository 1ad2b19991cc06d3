"""The parser: what belongs to what, and that nothing it is given makes it fail."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.language.lexicon.load import lexicon
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.schemas.attributes import DETAILS, Item, Person, Value


def described(text: str) -> list[str]:
    """Items in one line each: colours, describing words, name, then parts and places."""
    return [_line(item) for item in parse(text).items]


def _line(item: Item) -> str:
    words = [colour.value for colour in item.colours]
    words += [value.value for field in DETAILS for value in getattr(item, field)]
    line = " ".join([*(["no"] if item.absent else []), *words, item.name.value])
    for part in item.parts:
        line += f" | {' '.join([*(colour.value for colour in part.colours), part.name.value])}"
    return line + "".join(f" @ {place.value}" for place in item.where)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man in a black and white striped shirt with blue jeans.", ["black white striped shirt", "blue jeans"]),
        ("She has a pair of white and black sneakers.", ["white black sneakers"]),
        ("Her shirt is red and her pants are green.", ["red shirt", "green pants"]),
        ("A woman dressed all in black.", ["black clothes"]),
        ("He wears a jacket over a white t-shirt.", ["jacket @ over t-shirt", "white t-shirt"]),
        ("grey shorts with a white stripe", ["grey shorts | white stripe"]),
        ("He carries a red bag and a blue one.", ["red bag", "blue bag"]),
        ("black shirt blue jeans white shoes", ["black shirt", "blue jeans", "white shoes"]),
        ("The man has no hat and carries a bag on his left shoulder", ["no hat", "bag @ left shoulder"]),
        ("shoes, black with white soles", ["black shoes | white sole"]),
        ("a man wearng a blak shrit and pnats", ["black shirt", "black pants"]),
        ("pants that are brown", ["brown pants"]),
        ("a logo on his red shirt", ["red shirt | logo"]),
        ("a shirt with a red cat on it", ["cat shirt | red cat"]),
        ("a tee, dark blue denim shorts", ["t-shirt", "dark blue denim shorts"]),
        ("His shirt and pants are both black.", ["black shirt", "black pants"]),
        ("He wears a hat and shoes that are white.", ["hat", "white shoes"]),
        ("trousers, which look grey, and brown loafers", ["grey pants", "brown loafers"]),
        ("Pants: black. Shirt: white.", ["black pants", "white shirt"]),
        ("blue top grey bottom white sneakers", ["blue top", "grey bottoms", "white sneakers"]),
        ("a bag in one hand and a cup in the other", ["bag @ one hand", "cup @ other hand"]),
        ("She wears a coat. Under it is a black dress.", ["coat", "black dress @ under coat"]),
        ("A red dress. Over the dress is a cardigan.", ["red dress", "cardigan @ over dress"]),
        ("Her sunglasses sit on top of her head.", ["sunglasses @ head"]),
        ("a camera round his neck", ["camera @ neck"]),
        ("He is holding nothing.", ["no something"]),
    ],
)
def test_binding(text: str, expected: list[str]) -> None:
    assert described(text) == expected


@pytest.mark.parametrize(
    ("text", "gender"),
    [
        ("A lady in red.", ["female"]),
        ("This person has his hands in his pockets.", ["male"]),
        ("A person in men's shoes.", []),
        ("The man holds her hand.", ["male", "female"]),
    ],
)
def test_gender(text: str, gender: list[str]) -> None:
    assert [value.value for value in parse(text).gender] == gender


def test_hair() -> None:
    hair = parse("The woman has short curly dark brown hair tied in a ponytail.").hair
    assert [colour.value for colour in hair.colours] == ["dark brown"]
    assert [value.value for value in hair.length] == ["short"]
    assert {"curly", "ponytail"} <= {value.value for value in hair.style}


def test_carried_and_worn() -> None:
    coat, phone = parse("She is wearing a coat. She is carrying a phone in her right hand.").items
    assert (coat.relation, phone.relation) == ("worn", "carried")
    assert phone.where[0].value == "right hand"


def values(person: Person) -> list[Value]:
    found = [*person.gender, *person.age, *person.build, *person.facial_hair, *person.actions, *person.others]
    found += [*person.hair.colours, *person.hair.length, *person.hair.style]
    for item in person.items:
        found += [item.name, *item.colours, *item.where]
        found += [value for field in DETAILS for value in getattr(item, field)]
        found += [value for part in item.parts for value in (part.name, *part.colours, *part.details)]
    return found


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read(text: str) -> None:
    parse(text)


_WORDS = sorted({" ".join(phrase) for phrase in lexicon().meanings})


@given(st.lists(st.sampled_from([*_WORDS, "a", "the", "his", "and", "with", ",", ".", "-", "/"]), max_size=40))
@settings(max_examples=300, deadline=None)
def test_values_quote_the_caption(words: list[str]) -> None:
    """Whatever phrases come in whatever order: every value's span holds its words."""
    text = " ".join(words)
    for value in values(parse(text)):
        start, end = value.span
        assert value.text == text[start:end]
        assert value.text
