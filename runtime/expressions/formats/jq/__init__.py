"""jq programs, run by an interpreter of our own.

libjq can neither be stopped nor counted, and its programs can read the environment and load files. This
interpreter counts every step against the limits of the rendering, and knows nothing outside its input.
"""

from hookledger.runtime.expressions.formats.jq.evaluation import run_jq
from hookledger.runtime.expressions.formats.jq.parser import compiled

__all__ = ["compiled", "run_jq"]
