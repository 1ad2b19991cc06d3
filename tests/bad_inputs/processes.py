"""A few rows for processes of their own: what `main` itself makes of them, and commands that write raw bytes."""

from .case import SOURCE, Case, both, nothing, text

CASES = (
    Case(
        "no such captions",
        nothing,
        "parse {dir}/no",
        "{dir}/no: cannot be read: … (give another file, or pipe lines in)",
    ),
    Case(
        "a folder of pairs",
        nothing,
        "check {dir}",
        "{dir}: cannot be read: Is a directory (give another file, or pipe lines in)",
    ),
    Case("an option misspelt", nothing, "parse --worker 3", "No such option: --worker … (see tbpr-data parse --help)"),
    Case(
        "a config cut off",
        both(SOURCE, text("run.toml", "seed = ")),
        "augment --config {dir}/run.toml --out {dir}/out",
        "{dir}/run.toml: not valid TOML: … (mend the line)",
    ),
    Case(
        "no server",
        SOURCE,
        "augment {dir}/x.json --endpoint http://127.0.0.1:9/v1 --out {dir}/out",
        "http://127.0.0.1:9/v1/: cannot be reached: … (is the server up, the URL right?)",
        code=1,
    ),
    Case(
        "--out with too long a name",
        SOURCE,
        "negatives {dir}/x.json --out {dir}/" + "o" * 300,
        "{dir}/ooo…: File name too long (give another path, or mend what is there)",
        code=1,
    ),
)
