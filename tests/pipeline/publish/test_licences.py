"""The terms of the datasets."""

from tbpr_data.pipeline.publish.licences import load_terms, restricted, terms_of
from tbpr_data.pipeline.sources.benchmarks import BENCHMARKS


def test_every_dataset_with_a_reader_of_its_own_has_terms() -> None:
    assert set(load_terms()) == {*BENCHMARKS, "tbpr-demo"}
    for dataset, terms in load_terms().items():
        assert terms.dataset == dataset
        assert terms.known
        said = terms.model_dump(exclude={"dataset", "known", "also", "citation"})
        # They stand in a table of Markdown, and on lines of their own.
        assert not [text for text in said.values() if not text or "|" in text or "\n" in text]
        assert terms.citation.count("@") == terms.citation.count("year={") == terms.citation.count("author={")


def test_only_what_the_tool_draws_is_free() -> None:
    assert [dataset for dataset, terms in load_terms().items() if not restricted(terms)] == ["tbpr-demo"]
    assert terms_of("tbpr-demo").license_id == "apache-2.0"


def test_each_reason_is_a_clause() -> None:
    cuhk = terms_of("cuhk-pedes")
    assert restricted(cuhk) == [
        f"the images of {cuhk.name} may not be published again",
        f"whether the captions of {cuhk.name} may be published again is not known",
    ]
    assert restricted(cuhk.model_copy(update={"captions": "yes"})) == restricted(cuhk)[:1]


def test_of_an_unknown_dataset_nothing_is_known() -> None:
    terms = terms_of("holiday {pictures}")
    assert not terms.known
    assert (terms.images, terms.captions, terms.licence) == ("not known",) * 3
    assert restricted(terms) == [
        f"whether the {what} of holiday {{pictures}} may be published again is not known"
        for what in ("images", "captions")
    ]
