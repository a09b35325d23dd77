"""The rules of the Pod Security Standard `restricted`: https://kubernetes.io/docs/concepts/security/pod-security-standards/."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_VOLUMES: Final = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_SYSCTLS: Final = frozenset({"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ping_group_range"})


def violations(pod: Mapping[str, Any]) -> list[str]:
    """What stands against a Pod's spec; nothing for one that the standard lets in."""
    found = [f"{name} is shared" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    context = pod.get("securityContext", {})
    found += [f"sysctl {one['name']}" for one in context.get("sysctls", []) if one["name"] not in _SYSCTLS]
    found += [f"volume {one['name']}" for one in pod.get("volumes", []) if not set(one) - {"name"} <= _VOLUMES]
    if context.get("runAsUser") == 0:
        found.append("the Pod runs as root")
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        found += [f"{container['name']}: {problem}" for problem in _of_container(container, context)]
    return found


def _of_container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True or own.get("runAsUser") == 0:
        yield "may run as root"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in _PROFILES:
        yield "no seccomp profile"
    if "ALL" not in capabilities.get("drop", []) or not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "keeps capabilities"
    if own.get("procMount", "Default") != "Default":
        yield "sees all of /proc"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "a port of the host"
