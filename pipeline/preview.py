"""`augment --dry-run`: what a run would ask, before a model is loaded or a server asked."""

from ..schemas.errors import UserError
from .config import RunConfig
from .fresh import refuse_nonsense
from .plan import model_of, plan_of, prompts_of, wanted_model
from .run import read_wanted, say_source
from .screen import Screen


def preview(config: RunConfig, screen: Screen) -> str:
    """Validate source, prompts and settings as a run does; the first request of each prompt, as it would be sent.

    Raises UserError for what the run would refuse. How long it takes is not guessed: that is the server's.
    """
    prompts = prompts_of(config)
    refuse_nonsense(config, prompts)
    with screen.waiting(f"reading {config.source.path}"):
        source = read_wanted(config)
    say_source(source, screen)
    first = next(iter(source.captions()), None)
    if first is None:
        raise UserError("no captions", where=config.source.path, mend="give another source, or split")
    served = wanted_model(config) or ("the endpoint's model" if config.server.endpoint else None)
    plan = plan_of(config, prompts, model_of(config, served))
    captions = sum(len(image.captions) for image in source.images)
    count = captions * len(prompts) * config.samples
    shown = []
    for at, (prompt, sampling) in enumerate(zip(plan.prompts, plan.samplings, strict=True)):
        request = plan.requests(first)[at * config.samples].request
        turns = "\n".join(f"{role}: {content}" for role, content in request.messages)
        shown.append(f"prompt {prompt.id}, sampling {sampling.set_fields()}\n\n{turns}\n")
    ids = " + ".join(prompt.id for prompt in prompts)
    screen.say(f"{count:,} requests of {plan.model}: {captions:,} captions × ({ids}) × {config.samples}")
    screen.say("nothing was asked")
    return "\n".join(shown)
