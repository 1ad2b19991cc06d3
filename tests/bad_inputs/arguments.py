"""Arguments of every command, and what `parse` and `check` read."""

from .case import SOURCE, Case, both, folder_at, nothing, table, text

MAKE = "augment {dir}/x.json --endpoint {url} --out {dir}/out "
NEGATIVES = "negatives {dir}/x.json --out {dir}/out "
_RULES = "(rules: …)"
_MODELS = "(use one of qwen, llama, smollm2, a Hub id such as org/name, or a folder of weights)"
_STATE = ("out", "out/*")


def _usage(name: str, command: str, says: str, help_of: str) -> Case:
    """What the command line itself refuses."""
    return Case(name, SOURCE, command, f"{says} (see {help_of} --help)")


def _features(name: str, says: str, *rows: dict[str, object]) -> Case:
    return Case(name, both(SOURCE, table("f.parquet", *rows)), NEGATIVES + "--features f.parquet", says, leaves=_STATE)


CASES = (
    _usage("no such command", "agument", "No such command 'agument'. Did you mean 'augment'?", "tbpr-data"),
    _usage("no such option", MAKE + "--otu x", "No such option: --otu …", "tbpr-data augment"),
    _usage(
        "an option without its value",
        "negatives {dir}/x.json --out",
        "Option '--out' requires an argument.",
        "tbpr-data",
    ),
    _usage("an argument too many", MAKE + "more", "Got unexpected extra argument(s) (more)", "tbpr-data augment"),
    _usage("no source", "negatives --out {dir}/out", "Missing argument 'source'.", "tbpr-data negatives"),
    _usage("negatives without --out", "negatives {dir}/x.json", "Missing option '--out'.", "tbpr-data negatives"),
    _usage("a number that is a word", MAKE + "--samples many", "Invalid value for '--samples': …", "tbpr-data augment"),
    _usage("fewer workers than none", "parse --workers -1", "Invalid value for '--workers': …", "tbpr-data parse"),
    _usage(
        "a novelty that is NaN",
        "check {dir}/x.json --min-novelty nan",
        "Invalid value for '--min-novelty': …",
        "tbpr-data check",
    ),
    _usage(
        "no seeds",
        "train demo {dir}/x.json --out {dir}/out --seeds 0",
        "Invalid value for '--seeds': …",
        "tbpr-data train",
    ),
    Case("augment without --out", SOURCE, "augment {dir}/x.json", "augment: no folder to write to (give --out DIR)"),
    Case(
        "augment without a source",
        nothing,
        "augment --out {dir}/out",
        "SOURCE: missing (give a file, a folder or hf:NAME, or --config with a [source])",
    ),
    Case(
        "no samples",
        SOURCE,
        MAKE + "--samples 0",
        "run config: samples: Input should be greater than or equal to 1 (Answers asked of each caption and prompt)",
    ),
    Case(
        "no captions",
        SOURCE,
        MAKE + "--limit 0",
        "run config: source.limit: Input should be greater than or equal to 1 (Only the first so many captions)",
    ),
    Case("an unknown format", SOURCE, MAKE + "--format coco", "--format: unknown format 'coco' (one of auto, …)"),
    Case(
        "a --split that there is not",
        SOURCE,
        MAKE + "--split gallery",
        "--split: unknown split 'gallery' (one of train, val, test, valid, validation, dev)",
    ),
    Case(
        "a split without images",
        SOURCE,
        MAKE + "--split val",
        "{dir}/x.json: split val has no images (there are train (1 images), test (1 images))",
    ),
    Case(
        "a file for --images-root",
        SOURCE,
        MAKE + "--images-root {dir}/x.json",
        "{dir}/x.json: no such folder of images (mend --images-root, or leave it out)",
    ),
    Case("an unknown rule", SOURCE, NEGATIVES + "--rules nope", f"negatives: no rule is called 'nope' {_RULES}"),
    Case(
        "a rule of another recipe",
        SOURCE,
        NEGATIVES + "--recipe negclip --rules swap_colour",
        f"negatives: no rule is called 'swap_colour' {_RULES}",
    ),
    Case(
        "an unknown recipe of negatives",
        SOURCE,
        NEGATIVES + "--recipe nope",
        "run config: negatives.recipe: Input should be 'person' or 'negclip' (Which rules: …)",
    ),
    Case("an unknown scorer", SOURCE, NEGATIVES + "--scorer nope", f"likelihood: unknown model 'nope' {_MODELS}"),
    Case(
        "a served scorer without a server",
        SOURCE,
        NEGATIVES + "--scorer served",
        "--scorer served: no language model writes here that could tell (give smollm2)",
    ),
    Case(
        "an unknown spaCy model",
        SOURCE,
        NEGATIVES + "--recipe negclip --set negatives.spacy_model=nope",
        "negatives.spacy_model: the spaCy model 'nope' is not installed (…)",
    ),
    Case(
        "no such features",
        SOURCE,
        NEGATIVES + "--features f.parquet",
        "f.parquet: cannot be read: No such file or directory (give another --features)",
    ),
    Case(
        "features that are no Parquet",
        both(SOURCE, text("f.parquet", "x")),
        NEGATIVES + "--features f.parquet",
        "f.parquet: is not a whole Parquet file: … (copy or write it again)",
        leaves=_STATE,
    ),
    _features("features without a column", "f.parquet: has no column `image_id` (it needs …)", {"a": 1}),
    _features(
        "features that are NaN",
        "f.parquet, row 0: the features of cuhk-pedes/a.jpg are not finite (make them again)",
        {"image_id": "cuhk-pedes/a.jpg", "features": [float("nan")]},
    ),
    _features(
        "features of other images",
        "f.parquet: has no features of 2 of 2 images (first: cuhk-pedes/a.jpg) (image_id is …)",
        {"image_id": "z", "features": [1.0]},
    ),
    Case(
        "features of no images",
        SOURCE,
        NEGATIVES + "--embed ViT-B-32:openai",
        "--embed: there are no images to embed (give --images-root DIR, or --features FILE)",
        leaves=_STATE,
    ),
    Case(
        "a judge with nothing to judge",
        SOURCE,
        MAKE + "--judge --set checks.faithful=false",
        "--judge: there is nothing to judge (leave checks.faithful on)",
    ),
    Case(
        "an unknown model",
        SOURCE,
        "augment {dir}/x.json --out {dir}/out --llm gpt",
        f"--llm: unknown model 'gpt' {_MODELS}",
    ),
    Case(
        "a folder that is no model",
        both(SOURCE, folder_at("m")),
        "augment {dir}/x.json --out {dir}/out --llm {dir}/m",
        "{dir}/m: not a model folder: it has no config.json (give a folder written by save_pretrained, or a Hub id)",
    ),
    Case(
        "a model of pickled weights",
        both(SOURCE, text("m/config.json", "{}"), text("m/pytorch_model.bin", "x")),
        "augment {dir}/x.json --out {dir}/out --llm {dir}/m",
        "{dir}/m: no *.safetensors in this model folder (convert the weights with save_pretrained; pickled weights "
        "are not loaded)",
    ),
    Case(
        "a server's setting that there is not",
        nothing,
        "serve --set port=3",
        "run config: server.port: no such key (there are endpoint, api_key_env, …)",
    ),
    Case(
        "an unknown policy",
        SOURCE,
        "check {dir}/x.json --policy poem",
        "--policy: 'poem' is no policy (one of paraphrase, concise, detailed)",
    ),
    Case(
        "nothing to audit",
        nothing,
        "audit {dir}",
        "{dir}: no data/*.parquet (give a folder that `augment` or `negatives` wrote)",
    ),
    Case(
        "a broken shard to audit",
        text("data/train.parquet", "x"),
        "audit {dir}",
        "{dir}/data/train.parquet: is not a whole Parquet file: … (make it again)",
    ),
    Case(
        "another's shard to audit",
        table("data/train.parquet", {"a": 1}),
        "audit {dir}",
        "{dir}/data/train.parquet: has no column … (give a folder that `augment` or `negatives` wrote)",
    ),
    Case(
        "a shard with other types to audit",
        table(
            "data/train.parquet",
            dict.fromkeys(
                (
                    "caption_id",
                    "image_id",
                    "dataset",
                    "pid",
                    "split",
                    "text",
                    "origin",
                    "style",
                    "source_caption_id",
                    "negatives",
                ),
                1,
            ),
        ),
        "audit {dir}",
        "{dir}/data/train.parquet: column caption_id is int64 (give a folder that `augment` or `negatives` wrote)",
    ),
    Case(
        "too few people to draw",
        nothing,
        "demo-data {dir}/out --identities 2",
        "--identities: 2 identities are too few (give 8 or more)",
    ),
    Case(
        "a folder of something else to draw into",
        text("out/x", ""),
        "demo-data {dir}/out",
        "{dir}/out: is not empty (name a folder that is empty or does not exist yet)",
    ),
    Case(
        "a folder below a file to draw into",
        text("f", ""),
        "demo-data {dir}/f/out",
        "{dir}/f/out/imgs/train: Not a directory (give another path, or mend what is there)",
        code=1,
    ),
)
