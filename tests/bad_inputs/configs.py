"""Run configurations, settings and prompts."""

from .case import SOURCE, Case, both, folder_at, text

CONFIG = "augment --config {dir}/run.toml --endpoint {url} --out {dir}/out"
SET = "augment {dir}/x.json --endpoint {url} --out {dir}/out --set "
PROMPT = "augment {dir}/x.json --endpoint {url} --out {dir}/out --recipe {dir}/mine.toml"
GOOD_PROMPT = """
id = "mine"
version = 1
style = "plain"
policy = "paraphrase"
user = \'\'\'Say again: {{ caption }}\'\'\'
"""
_NO_SOURCE = "SOURCE: missing (give a file, a folder or hf:NAME, or --config with a [source])"
_SAMPLES = "(Answers asked of each caption and prompt)"
_ONE_NAME = "(the template knows one name, {{ caption }})"


def _config(name: str, content: str | bytes, says: str) -> Case:
    return Case(name, both(SOURCE, text("run.toml", content)), CONFIG, says)


def _set(setting: str, says: str) -> Case:
    return Case(f"--set {setting[:40]}", SOURCE, SET + setting, says)


def _prompt(name: str, content: str | bytes, says: str) -> Case:
    return Case(name, both(SOURCE, text("mine.toml", content)), PROMPT, "{dir}/mine.toml: " + says)


def _template(name: str, user: str, says: str) -> Case:
    return _prompt(name, GOOD_PROMPT.replace("{{ caption }}", user), f"user: {says}")


CASES = (
    Case(
        "no such config",
        SOURCE,
        CONFIG,
        "{dir}/run.toml: cannot be read: No such file or directory (give another --config)",
    ),
    Case(
        "a folder for a config",
        folder_at("run.toml"),
        CONFIG,
        "{dir}/run.toml: cannot be read: Is a directory (give another --config)",
    ),
    _config("a config cut off", "seed = ", "{dir}/run.toml: not valid TOML: … (mend the line)"),
    _config(
        "a config in Latin-1",
        b'[source]\npath = "\xe9"\n',
        "{dir}/run.toml: cannot be read: not UTF-8 (give another --config)",
    ),
    _config(
        "a config nested without end",
        "seed = " + "[" * 5000,
        "{dir}/run.toml: not valid TOML: nested too deeply (mend the line)",
    ),
    _config(
        "a config's number of 5,000 digits", "seed = " + "9" * 5000, "{dir}/run.toml: not valid TOML: … (mend the line)"
    ),
    _config("a config without a source", "seed = 1", _NO_SOURCE),
    _config(
        "a section that is a number",
        'source = "x.json"',
        "run config: source: not a section (What is read)",
    ),
    _config(
        "a section that there is not",
        '[source]\npath = "x.json"\n[chekcs]\n',
        "run config: chekcs: no such key (did you mean checks?)",
    ),
    _config(
        "a key that there is not",
        '[source]\npath = "x.json"\n[checks]\nmin_word = 3\n',
        "run config: checks.min_word: no such key (did you mean min_words?)",
    ),
    _set("samples", "--set: 'samples' is not key=value (for example --set checks.min_words=5)"),
    _set("=3", "--set: '=3' is not key=value (for example --set checks.min_words=5)"),
    _set("server=3", "--set: server.endpoint: server is not a section (server is set to a value elsewhere)"),
    _set("samples=many", f"run config: samples: Input should be a valid integer, … {_SAMPLES}"),
    _set("samples=nan", f"run config: samples: Input should be a finite number {_SAMPLES}"),
    _set("samples=65", f"run config: samples: Input should be less than or equal to 64 {_SAMPLES}"),
    _set("samples=" + "[" * 3000, f"run config: samples: Input should be a valid integer, … {_SAMPLES}"),
    _set("keep=some", "run config: keep: Input should be a valid integer, … (Of the samples that pass, how many: …)"),
    _set(
        "checks.max_length_ratio=inf",
        "run config: checks.max_length_ratio: Input should be a finite number (More words than …)",
    ),
    _set(
        "checks.min_novelty=nan",
        "run config: checks.min_novelty: Input should be a finite number (Less novelty than …)",
    ),
    _set(
        "llm.sampling.temperature=3",
        "run config: llm.sampling.temperature: Input should be less than or equal to 2 (0 is greedy)",
    ),
    _set(
        "llm.sampling.repetition_penalty=inf",
        "run config: llm.sampling.repetition_penalty: Input should be a finite number (…)",
    ),
    _set(
        "server.device=tpu",
        "run config: server.device: Input should be 'auto', 'gpu' or 'cpu' (Which vLLM to start: …)",
    ),
    _set("workers=-1", "run config: workers: Input should be greater than or equal to 0 (Processes that check, …)"),
    _set("source.images_root=nowhere", "nowhere: no such folder of images (mend --images-root, or leave it out)"),
    Case(
        "no such prompt",
        SOURCE,
        SET.removesuffix("--set ") + "--recipe poem",
        "--recipe: unknown prompt 'poem' (use one of …, or the path of a TOML file)",
    ),
    Case("no such prompt file", SOURCE, PROMPT, "{dir}/mine.toml: no such prompt file (give the path of a TOML file)"),
    Case(
        "two prompts of one name",
        both(SOURCE, text("paraphrase.toml", GOOD_PROMPT.replace("mine", "paraphrase"))),
        SET.removesuffix("--set ") + "--recipe paraphrase --recipe {dir}/paraphrase.toml",
        "--recipe: two prompts have the same id (paraphrase, paraphrase) (ids name the rewrites)",
    ),
    _prompt(
        "a prompt in UTF-16", GOOD_PROMPT.encode("utf-16"), "cannot be read: not UTF-8 (give the path of a TOML file)"
    ),
    _prompt("a prompt cut off", "id = ", "not valid TOML: … (mend the line)"),
    _prompt("a prompt nested without end", "id = " + "[" * 5000, "not valid TOML: nested too deeply (mend the line)"),
    _prompt(
        "an empty prompt",
        "",
        "id: missing (Name in ids (`…~ID.n`), in `--recipe` and in the data; the file's own name)",
    ),
    _prompt(
        "a prompt's unknown field",
        GOOD_PROMPT + "colour = 1\n",
        "colour: no such key (there are id, version, style, …)",
    ),
    _prompt(
        "a prompt's id of two words",
        GOOD_PROMPT.replace('"mine"', '"my own"'),
        "id: String should match … (Name in ids …)",
    ),
    _prompt(
        "a prompt's unknown policy",
        GOOD_PROMPT.replace('"paraphrase"', '"poem"'),
        "policy: Input should be 'paraphrase', 'concise' or 'detailed' (What a faithful rewrite may do: …)",
    ),
    _prompt(
        "a prompt's temperature",
        GOOD_PROMPT + "[sampling]\ntemperature = 9\n",
        "sampling.temperature: Input should be less than or equal to 2 (0 is greedy)",
    ),
    _prompt(
        "an example without an answer",
        GOOD_PROMPT + '[[examples]]\ncaption = "A man."\n',
        "examples.0.rewrite: missing (The answer it should get)",
    ),
    _prompt(
        "a prompt of another id than its file's",
        GOOD_PROMPT.replace('"mine"', '"other"'),
        "id is 'other' (the id and the file's name must be the same)",
    ),
    _template(
        "a prompt that shows no caption",
        "the caption",
        "the caption does not appear in the message (write {{ caption }})",
    ),
    _template("a prompt with a name misspelt", "{{ captain }}", f"'captain' is undefined {_ONE_NAME}"),
    _template("a template that is not closed", "{{ caption ", f"… {_ONE_NAME}"),
    _template(
        "a template that reaches for a class",
        "{{ caption.__class__ }}",
        f"access to attribute '__class__' of 'str' object is unsafe. {_ONE_NAME}",
    ),
    _template(
        "a template that reaches by a filter",
        "{{ caption|attr('__class__') }}",
        f"access to attribute '__class__' of 'str' object is unsafe. {_ONE_NAME}",
    ),
    _template(
        "a template that reaches by a format",
        "{{ '{0.__class__}'.format(caption) }}",
        f"access to attribute '__class__' of 'str' object is unsafe. {_ONE_NAME}",
    ),
    _template(
        "a template that reaches for the system",
        "{{ cycler.__init__.__globals__.os.popen('id') }}",
        f"access to attribute '__init__' of 'StrictUndefined' object is unsafe. {_ONE_NAME}",
    ),
    _template(
        "a template that reads a file",
        "{% include '/etc/passwd' %}{{ caption }}",
        f"no loader for this environment specified {_ONE_NAME}",
    ),
    _template(
        "a template that draws", "{{ caption }} {{ [1, 2, 3]|random }}", f"No filter named 'random'. {_ONE_NAME}"
    ),
    _template("a template that draws text", "{{ caption }} {{ lipsum() }}", f"'lipsum' is undefined {_ONE_NAME}"),
    _template(
        "a template that names a method",
        "{{ caption }} {{ caption.upper }}",
        f"a builtin_function_or_method is no text {_ONE_NAME}",
    ),
    _template(
        "a template that joins a method to the text",
        "{{ caption ~ caption.upper }}",
        f"<built-in method upper … is no text; a method needs its brackets {_ONE_NAME}",
    ),
    _template("a template of powers", "{{ 10 ** (10 ** 10) }}{{ caption }}", f"** is not allowed {_ONE_NAME}"),
    _template("a template that fills the memory", "{{ caption.ljust(10000000000000) }}", f"MemoryError {_ONE_NAME}"),
    _template(
        "a macro that calls itself",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}{{ caption }}",
        f"maximum recursion depth … {_ONE_NAME}",
    ),
    _template(
        "brackets in brackets",
        "{{ " + "(" * 2000 + "caption" + ")" * 2000 + " }}",
        f"maximum recursion depth … {_ONE_NAME}",
    ),
)
