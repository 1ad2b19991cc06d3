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
_KEYS = "(`tbpr-data augment --help` names the keys)"
_OURS = "(see the prompts that come with the package)"
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
    _config("a config without a source", "seed = 1", f"run config: source: Field required {_KEYS}"),
    _config(
        "a section that is a number",
        'source = "x.json"',
        f"run config: source: Input should be a valid dictionary … {_KEYS}",
    ),
    _config(
        "a section that there is not",
        '[source]\npath = "x.json"\n[chekcs]\n',
        f"run config: chekcs: Extra inputs are not permitted {_KEYS}",
    ),
    _config(
        "a key that there is not",
        '[source]\npath = "x.json"\n[checks]\nmin_word = 3\n',
        f"run config: checks.min_word: Extra inputs are not permitted {_KEYS}",
    ),
    _set("samples", "--set: 'samples' is not key=value (for example --set checks.min_words=5)"),
    _set("=3", "--set: '=3' is not key=value (for example --set checks.min_words=5)"),
    _set("server=3", "--set: server.endpoint: server is not a section (server is set to a value elsewhere)"),
    _set("samples=many", f"run config: samples: Input should be a valid integer, … {_KEYS}"),
    _set("samples=nan", f"run config: samples: Input should be a finite number {_KEYS}"),
    _set("samples=65", f"run config: samples: Input should be less than or equal to 64 {_KEYS}"),
    _set("samples=" + "[" * 3000, f"run config: samples: Input should be a valid integer, … {_KEYS}"),
    _set("keep=some", f"run config: keep.…: Input should be a valid integer, … {_KEYS}"),
    _set(
        "checks.max_length_ratio=inf", f"run config: checks.max_length_ratio: Input should be a finite number {_KEYS}"
    ),
    _set("checks.min_novelty=nan", f"run config: checks.min_novelty: Input should be a finite number {_KEYS}"),
    _set(
        "llm.sampling.temperature=3",
        f"run config: llm.sampling.temperature: Input should be less than or equal to 2 {_KEYS}",
    ),
    _set(
        "llm.sampling.repetition_penalty=inf",
        f"run config: llm.sampling.repetition_penalty: Input should be a finite number {_KEYS}",
    ),
    _set("server.device=tpu", f"run config: server.device: Input should be 'auto', 'gpu' or 'cpu' {_KEYS}"),
    _set("workers=-1", f"run config: workers: Input should be greater than or equal to 0 {_KEYS}"),
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
    _prompt("an empty prompt", "", f"id: Field required {_OURS}"),
    _prompt(
        "a prompt's unknown field", GOOD_PROMPT + "colour = 1\n", f"colour: Extra inputs are not permitted {_OURS}"
    ),
    _prompt(
        "a prompt's id of two words", GOOD_PROMPT.replace('"mine"', '"my own"'), f"id: String should match … {_OURS}"
    ),
    _prompt(
        "a prompt's unknown policy",
        GOOD_PROMPT.replace('"paraphrase"', '"poem"'),
        f"policy: Input should be 'paraphrase', 'concise' or 'detailed' {_OURS}",
    ),
    _prompt(
        "a prompt's temperature",
        GOOD_PROMPT + "[sampling]\ntemperature = 9\n",
        f"sampling.temperature: Input should be less than or equal to 2 {_OURS}",
    ),
    _prompt(
        "an example without an answer",
        GOOD_PROMPT + '[[examples]]\ncaption = "A man."\n',
        f"examples.0.rewrite: Field required {_OURS}",
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
