"""What a run asks: its prompts, its model, and how answers are drawn."""

from ..prompts.registry import load_prompt
from ..schemas.errors import UserError
from ..schemas.prompt import Prompt
from ..schemas.sampling import Sampling
from .config import RunConfig
from .llm.models import ModelChoice, choose_model, known_models
from .llm.requests import RequestPlan

_NO_MODEL = ModelChoice(name="none", revision=None, sampling=Sampling())
# Where neither config nor prompt nor model says: a model that does not stop would write until its context is full, and
# hold the run for minutes. `checks.max_words`, 200 words, are some 270 tokens.
_BOUNDED = Sampling(max_tokens=512)


def prompts_of(config: RunConfig) -> tuple[Prompt, ...]:
    """The prompts of a run. Raises UserError for one that there is not, or two of one id."""
    prompts = tuple(load_prompt(name) for name in dict.fromkeys(config.recipe))
    if len({prompt.id for prompt in prompts}) < len(prompts):
        ids = ", ".join(prompt.id for prompt in prompts)
        raise UserError(f"two prompts have the same id ({ids})", where="--recipe", mend="ids name the rewrites")
    return prompts


def wanted_model(config: RunConfig) -> str | None:
    """The name a model is asked for by at an endpoint."""
    known = known_models().get(config.llm.model or "")
    return known.hub_id if known else config.llm.model


def model_of(config: RunConfig, served: str | None) -> ModelChoice:
    """The model of a run; `served` is its name at the endpoint, where one is given. Raises UserError."""
    if not config.recipe:
        return _NO_MODEL
    if config.server.endpoint is None or served is None:
        return choose_model(config.llm.model or "smollm2", revision=config.llm.revision)
    known = known_models().get(config.llm.model or "")
    return ModelChoice(name=served, revision=config.llm.revision, sampling=known.sampling if known else Sampling())


def plan_of(config: RunConfig, prompts: tuple[Prompt, ...], model: ModelChoice) -> RequestPlan:
    """What is asked of every caption."""
    defaults = model.sampling.over(_BOUNDED)
    return RequestPlan(
        model=model.name,
        prompts=prompts,
        samplings=tuple(config.llm.sampling.over(prompt.sampling.over(defaults)) for prompt in prompts),
        samples=config.samples,
        seed=config.seed,
    )
