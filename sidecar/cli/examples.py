"""The examples in the help of each command. A line is `COMMAND  # WHAT IT DOES`."""

from collections.abc import Mapping

ID = "seed_backup_20261124_021837"

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "backup": ("sidecar backup  # every set", "sidecar backup main"),
    "prune": ("sidecar prune --dry-run  # what would be deleted, and why",),
    "delete": (f"sidecar delete {ID}",),
    "pin": (f"sidecar pin {ID} --until 2027-01-31",),
    "unpin": (f"sidecar unpin {ID}",),
    "confirm": (f"sidecar confirm {ID}",),
    "list": (
        "sidecar list main --limit 10",
        "sidecar list --since 2026-11-01 --json | jq -r '.[].backup_id'",
        "sidecar list --quick  # at once, however much there is",
    ),
    "show": (f"sidecar show {ID}",),
    "status": ("sidecar status", "sidecar status main --check || echo 'call somebody'"),
    "runs": ("sidecar runs --kind backup -n 5",),
    "verify": (f"sidecar verify {ID} --deep", "sidecar verify --all"),
    "diff": (
        f"sidecar diff {ID} --live  # what changed since",
        f"sidecar diff seed_backup_20261123_021837 {ID}",
    ),
    "history": ("sidecar history -c students --id 65a1b2c3d4e5f60718293a4b",),
    "checksums": ("sidecar checksums | (cd /var/backups/bus_tracker && sha256sum -c)",),
    "ledger": (
        "sidecar ledger check --json | jq -r 'to_entries[] | \"\\(.key) \\(.value.lines) \\(.value.head)\"'  # note it elsewhere",
        'sidecar ledger accept main --reason "files removed by hand, ticket 123"',
    ),
    "extract": (
        f"sidecar extract {ID} -c users -o users.json",
        f"sidecar extract {ID} -c users --lines | jq -c 'select(.active)'",
    ),
    "restore": (
        f"sidecar restore {ID} --dry-run  # the plan; nothing is written",
        f"sidecar restore {ID}  # shows the plan, then asks",
        f"sidecar restore {ID} --collections users,buses --target-db copy --yes",
        f"sidecar restore {ID} -c students --ids 65a1b2c3d4e5f60718293a4b  # one document",
        f"sidecar restore {ID} --from offsite  # fetched from a copy first",
    ),
    "drill": ("sidecar drill main", "sidecar drill main --on-server"),
    "copies": (
        "sidecar copies status",
        "sidecar copies list offsite",
        f"sidecar restore {ID} --from offsite  # without making it a backup here",
    ),
    "serve": ("SIDECAR_ADMIN_TOKEN_FILE=/run/secrets/token sidecar serve",),
    "jobs": ("sidecar jobs", "sidecar jobs --cancel JOB"),
    "schedule": ("sidecar schedule show", "sidecar schedule pause main --hours 2", "sidecar schedule resume"),
    "healthcheck": ("sidecar healthcheck",),
    "alert-test": ("sidecar alert-test --severity critical --minutes 30",),
    "notify": ("sidecar notify test",),
    "config": ("sidecar config check --connect  # before the first start", "sidecar config show"),
    "key": ("sidecar key new > /media/usb/key.txt",),
    "completion": ('eval "$(sidecar completion bash)"  # in ~/.bashrc',),
    "demo": ("sidecar demo",),
    "version": ("sidecar version",),
}

FIRST = (
    "sidecar config check --connect  # is everything there that it needs?",
    "sidecar backup  # back up every set now",
    "sidecar status  # how well is each set protected?",
    f"sidecar restore {ID}  # shows the plan, then asks",
)


def epilog(lines: tuple[str, ...], *more: str) -> str:
    """Return examples, and more paragraphs, as the text at the end of a help page."""
    return "\n\n".join(["\n".join(["Examples:", *(f"$ {line}" for line in lines)]), *more])
