from tbpr_data.pipeline.audit.lengths import Lengths, lengths


def test_lengths():
    # A word is a token here, and two mark the ends: 77 tokens are read, the 78th is cut.
    texts = ["red " * 75, "red " * 76, *["red red"] * 18]
    assert lengths(texts) == Lengths(texts=20, over_share=0.05, mean_tokens=(77 + 78 + 18 * 4) / 20, p95_tokens=77)
    assert lengths([]) is None
