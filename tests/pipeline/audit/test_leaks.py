from tbpr_data.pipeline.audit.leaks import Caption, TrueNegative, find_leaks
from tbpr_data.pipeline.negatives.guards import normalised


def caption(
    pid: int, text: str, *negatives: str, split: str = "train", dataset: str = "set", image: str = ""
) -> Caption:
    return Caption(split, dataset, pid, image or f"{dataset}/{pid}.jpg", text, negatives)


def test_normalised():
    assert normalised("  A man's T-shirt,\n  STRASSE_2 ") == "a man s t shirt strasse 2"
    assert normalised("Straße") == "strasse"
    assert normalised(" .!_ ") == ""


def test_identities_and_images_in_two_splits():
    found = find_leaks(
        [
            caption(1, "a", split="val"),
            caption(1, "b", split="train"),
            caption(2, "c", split="test"),
            caption(2, "d", split="train", dataset="other"),
            caption(3, "e", split="test", image="set/x.jpg"),
            caption(4, "f", split="train", image="set/x.jpg"),
        ]
    )
    assert found.identities == {("set", 1): ("train", "val")}
    assert found.images == {"set/1.jpg": ("train", "val"), "set/x.jpg": ("test", "train")}


def test_texts_on_several_identities():
    rows = [
        caption(1, "A man in red."),
        caption(1, "a man in red"),
        caption(2, "A man in Red!"),
        caption(3, "A man in blue."),
        caption(3, "A man in blue"),
        caption(4, "..."),
        caption(5, "!"),
        caption(1, "A hat.", dataset="other"),
        caption(1, "A hat."),
    ]
    found = find_leaks(rows)
    assert (found.shared_texts, found.shared_rows) == (2, 5)


def test_negatives_that_are_true():
    found = find_leaks(
        [
            caption(1, "A man in red.", "a man in RED", "A man in blue.", "A man in green.", "!"),
            caption(1, "A man in blue", "A woman in red."),
            caption(2, "A man in blue.", "A man in red."),
            caption(3, "A woman in red", split="val"),
            caption(4, "?"),
        ]
    )
    assert found.negatives == 6
    assert found.false_negatives == (
        TrueNegative("set/1.jpg", "a man in RED"),
        TrueNegative("set/1.jpg", "A man in blue."),
    )
    assert found.true_of_others == (
        TrueNegative("set/1.jpg", "A woman in red."),
        TrueNegative("set/2.jpg", "A man in red."),
    )


def test_nothing_leaks():
    found = find_leaks([])
    assert (found.identities, found.shared_texts, found.negatives, found.false_negatives) == ({}, 0, 0, ())
