"""Settings that are allowed but risky."""

from collections.abc import Mapping

from sidecar.config.settings import Secret, Settings


def warnings(settings: Settings) -> list[str]:
    """Settings that are allowed but risky, in words."""
    found = []
    if lonely := [one.name for one in settings.sets.values() if len(one.recipients) == 1]:
        found.append(
            f"{', '.join(lonely)}: encrypted for one recipient only. Whoever loses that private key loses the backups: add a "
            "second one to SIDECAR_RECIPIENTS and keep its private key elsewhere"
        )
    shared = "one heartbeat address for all of them. The success of one set hides that another fails"
    cure = "put {set} into SIDECAR_HEARTBEAT_URL, or give each set its own heartbeat_url"
    return found + [f"{', '.join(names)}: {shared}: {cure}" for names in _sharing(settings.heartbeats)]


def _sharing(heartbeats: Mapping[str, Secret]) -> list[list[str]]:
    """The sets that have the same address."""
    by_address: dict[Secret, list[str]] = {}
    for name, address in heartbeats.items():
        by_address.setdefault(address, []).append(name)
    return [names for names in by_address.values() if len(names) > 1]
