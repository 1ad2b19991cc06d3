"""Imported by the process that runs are forked from: all that a run loads, loaded once."""

# ruff: noqa: F401
import certifi
import numpy.ma

import tbpr_data.pipeline.cli
import tbpr_data.pipeline.run
import tbpr_data.pipeline.summary
import torture.process
from tbpr_data.pipeline.config import load_config
from tbpr_data.pipeline.finish import load_tools

load_tools(load_config(None, [], {"source.path": "none"}))
