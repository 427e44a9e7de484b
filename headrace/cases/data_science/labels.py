"""The classes of sentiment."""

from typing import Literal

Label = Literal["negative", "neutral", "positive"]
