"""The users of the stack's own Kafka: their passwords and client settings files."""

from headrace.contracts.settings import Settings
from headrace.stack.files import secret, write_file
from headrace.streaming.runtime.access import ADMIN, MECHANISM, USERS

BROKER, CONTROLLER = "broker", "controller"
"""The broker's own users, as a client of its own listener and of the controller's."""
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def password(settings: Settings, user: str) -> str:
    """The password of a user, created at first use."""
    return secret(settings.secrets / "kafka", user)


def passwords(settings: Settings) -> dict[str, str]:
    """The passwords of the broker's users."""
    return {user: password(settings, user) for user in (ADMIN, BROKER, *USERS)}


def prepare_clients(settings: Settings, *, first_login: bool = False) -> None:
    """Write each user's file of client settings. With `first_login` the admin logs in with PLAIN (`login_settings`)."""
    for user in (ADMIN, *USERS):
        mechanism = "PLAIN" if first_login and user == ADMIN else MECHANISM
        lines = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password(settings, user),
        }
        write_file(settings.kafka_login(user), "".join(f"{name}={value}\n" for name, value in lines.items()))


def login_settings(settings: Settings, *, first_login: bool) -> dict[str, str]:
    """The broker's settings of authentication, its own logins, and super users.

    Only the broker's own process uses the controller's listener. A home created before there were passwords has none
    stored: with `first_login` the admin and the broker log in with passwords from this file, until the admin has set
    those of all users.
    """
    scram = f'{_SCRAM} required username="{BROKER}" password="{password(settings, BROKER)}";'
    found = {
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": _plain(settings, CONTROLLER, CONTROLLER),
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.clients.sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": scram,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{user}" for user in (ADMIN, BROKER, CONTROLLER)),
    }
    if first_login:
        found |= {
            "listener.name.clients.sasl.enabled.mechanisms": f"{MECHANISM},PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": _plain(settings, BROKER, BROKER, ADMIN),
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
        }
    return found


def _plain(settings: Settings, own: str, *known: str) -> str:
    users = " ".join(f'user_{user}="{password(settings, user)}"' for user in known)
    return f'{_PLAIN} required username="{own}" password="{password(settings, own)}" {users};'


def scram_arguments(settings: Settings) -> str:
    """Arguments of `kafka-storage format`, one per line, that create the users who log in before ACLs can be set."""
    return "".join(
        f"--add-scram\n{MECHANISM}=[name={user},password={password(settings, user)}]\n" for user in (ADMIN, BROKER)
    )
