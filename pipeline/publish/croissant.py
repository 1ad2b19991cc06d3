"""`croissant.json`: the Croissant description of a finished folder, made and proved with mlcroissant."""

from __future__ import annotations

import json
import warnings
from typing import Any

from ...schemas.errors import UserError
from ...schemas.rows import PairRow
from .contents import Contents

FILE = "croissant.json"

# The version the Hub describes datasets in, and the vocabulary of how a dataset was made (responsible AI).
_CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_DRAWN = "tbpr-demo"
_CHECKED = "Rewrites were compared with their captions by a parser that looks at no picture and misreads some texts."
_UNCHECKED = "Whether a rewrite says what its caption says was not checked."


def croissant(
    contents: Contents,
    *,
    name: str,
    description: str,
    license: str | None,
    url: str | None = None,
    cite_as: str | None = None,
) -> str:
    """The Croissant 1.1 description of a dataset, as JSON-LD; the same folder and arguments give the same text.

    Beside the shards it is loadable: `mlcroissant.Dataset(jsonld=".../croissant.json").records("pairs")`, of one split
    alone with `filters={"pairs/split": "train"}`. Each shard is named with its hash and size; each column is a field.
    What mlcroissant cannot read, structs listed in structs listed in a column (`negatives.spans`), is left out and
    said so. A config without a row is not offered.

    Args:
        contents: the folder.
        name: the dataset's name.
        description: what it is, in words.
        license: its licence, as a URL or an SPDX id; none where there is none to give.
        url: its page.
        cite_as: how to cite it, as BibTeX.

    Raises:
        UserError: mlcroissant finds fault with it.
    """
    import mlcroissant as mlc  # type: ignore[import-untyped]

    from .croissant_nodes import distribution, new_context, record_sets

    context = new_context(_CONFORMS_TO[0])
    try:
        metadata = mlc.Metadata(
            ctx=context,
            conforms_to=_CONFORMS_TO,
            name=name,
            description=description,
            license=license,
            url=url,
            cite_as=cite_as,
            in_language=["en"],
            keywords=_keywords(contents),
            distribution=distribution(contents, context),
            record_sets=record_sets(contents, context),
            # mlcroissant itself writes it of a live one alone.
            extra_properties={"isLiveDataset": False},
            **_how_made(contents),
        )
        text = json.dumps(metadata.to_json(), indent=1, ensure_ascii=False) + "\n"
        _prove(json.loads(text))
    except mlc.ValidationError as error:
        what = "mlcroissant finds fault with it: " + " ".join(str(error).split())
        raise UserError(what, where=FILE, mend="mend the name, licence or page that it is given") from None
    return text


def _prove(description: dict[str, Any]) -> None:
    """Read it back as a user would. Raises ValidationError for anything but what is recommended and was not given."""
    import mlcroissant as mlc

    context = mlc.Context()
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "ConjunctiveGraph is deprecated", DeprecationWarning
        )  # rdflib's own use of it
        mlc.Metadata.from_json(ctx=context, json_=description)
    if found := sorted(issue for issue in context.issues.warnings if "is recommended" not in issue):
        raise mlc.ValidationError(" ".join(found))


def _keywords(contents: Contents) -> list[str]:
    rewrites = any(block.accepted for block in contents.manifest.blocks)
    more = [*(["synthetic captions"] if rewrites else []), *(["hard negatives"] if _negatives(contents) else [])]
    return ["text-based person retrieval", "person re-identification", "image captions", *more, *contents.datasets]


def _negatives(contents: Contents) -> bool:
    return bool(contents.manifest.made_from["config"]["negatives"]["enabled"])


def _how_made(contents: Contents) -> dict[str, Any]:
    """The responsible-AI properties: what the manifest itself says of how the folder was made."""
    whole = contents.models["pairs"] is PairRow
    manifest, made = contents.manifest, contents.manifest.made_from
    source, of = manifest.source, ", ".join(contents.datasets)
    counts = f"{source['captions']:,} captions of {source['images']:,} images, {source['identities']:,} identities"
    collection = [f"Images, identities, splits and captions of origin `human` are those of {of}: {counts}."]
    if not whole:
        collection.append("The words of these captions are not here.")
    tools, limits = [f"tbpr-data {manifest.versions['tbpr-data']}"], []
    if made["prompts"]:
        model = f"{made['model']['name']}, revision {made['model']['revision'] or 'not pinned'}"
        tools.insert(0, model)
        if any(block.accepted for block in manifest.blocks):
            collection.append(f"Captions of origin `llm` are synthetic: human ones rewritten by {model}.")
            limits.append(_CHECKED if made["config"]["checks"].get("faithful") else _UNCHECKED)
    if _negatives(contents):
        collection.append("Hard negatives are synthetic: captions with a few words changed.")
        limits.append("Hard negatives were made from texts alone: some may be true of their picture.")
    repaired = [f"`{name}` repaired in {count:,} captions." for name, count in source["repairs"].items()]
    return {
        "data_collection": " ".join(collection),
        "data_limitations": limits or None,
        "data_preprocessing_protocol": repaired or None,
        "data_use_cases": ["Training and evaluating text-based person retrieval."],
        "machine_annotation_tools": tools,
        "personal_sensitive_information": [_people(contents, contents.embedded and whole)],
    }


def _people(contents: Contents, images: bool) -> str:
    if set(contents.datasets) == {_DRAWN}:
        return "None: the people are drawn by a program, and none is a real person."
    return (
        "The captions tell how people look (such as gender, age, hair, clothing and what they carry), and `pid` tells "
        f"which images show the same person.{' Their images are included.' if images else ''}"
    )
