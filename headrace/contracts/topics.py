"""All topics of the active packages: those of events, which the packages declare, and their dead letters.

A package declares its topics in the modules of its folder `topics`, each in a variable of the module:

    ORDERS = event_topic("orders", Order, key="customer_id", partitions=4, days=30)

or in TOML, one topic in each file of the folder (`headrace.contracts.toml_contracts`).
"""

from collections.abc import Iterator
from dataclasses import replace

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.packages import Claim
from headrace.contracts.toml_contracts import topic_of
from headrace.contracts.topic import NAME, Topic, dead_letter_topic

FOLDER = "topics"


def composed() -> tuple[Topic, ...]:
    """The topics of events that the active packages declare.

    Raises:
        Terminal: a package cannot be loaded, a name is not valid, or two packages claim it.
    """
    return tuple(packages.by_name("topic", _claims()).values())


def _claims() -> Iterator[Claim[Topic]]:
    for package in packages.active():
        seen: list[Topic] = []  # a module may import the topic of another one
        for module in packages.modules(package, FOLDER):
            for topic in [value for value in vars(module).values() if isinstance(value, Topic)]:
                if any(topic is other for other in seen):
                    continue
                seen.append(topic)
                place = str(module.__file__)
                if not NAME.fullmatch(topic.name):
                    raise Terminal(
                        f"{place}: {topic.name!r} is no name of a topic.",
                        remedy="Use up to 63 lower-case letters, digits and underscores, starting with a letter.",
                    )
                yield Claim(topic.name, package, place, replace(topic, domain=package.name))
        for path in packages.files(package, FOLDER, ".toml"):
            try:
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Terminal(f"{path} cannot be read: {error}.", remedy="Save it as UTF-8.") from error
            topic = topic_of(text, name=path.stem, file=str(path), domain=package.name)
            yield Claim(topic.name, package, str(path), topic)


EVENT_TOPICS: tuple[Topic, ...] = composed()
DEAD_LETTER_TOPICS: tuple[Topic, ...] = tuple(map(dead_letter_topic, EVENT_TOPICS))
TOPICS: dict[str, Topic] = {topic.name: topic for topic in EVENT_TOPICS + DEAD_LETTER_TOPICS}
