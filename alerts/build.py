"""Builds `prometheusrule.yaml` for the Prometheus operator from the rules files beside it.

python alerts/build.py                       writes it
python alerts/build.py --runbooks URL OUT    writes all rules into the directory OUT, their runbooks under URL

In the rules files a runbook is served by the sidecar in question, or by any one that is up where that is down or none is meant.
In the object it is at the end of a port-forward, since a Pod has no address for people.
"""

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES = ("mongobackup.rules.yaml", "objective.rules.yaml")
RUNBOOKS = re.compile(r"(?<=runbook_url: ).*/(?=\w+$)", re.MULTILINE)
FORWARDED = "http://localhost:8001/runbooks/"  # `kubectl port-forward $POD 8001`
OBJECT = "prometheusrule.yaml"
PAGE = HERE.parent / "docs" / "monitoring.md"
BEGIN, END = "<!-- made by alerts/build.py; a test compares -->\n", "<!-- end -->\n"
GRAVEST_FIRST = ("critical", "warning")
HEAD = "# Made by alerts/build.py from the rules files beside it; a test compares.\n"


def prometheusrule(files: list[str]) -> str:
    """The custom resource that holds the groups of all rules files."""
    groups: list[Any] = [group for text in files for group in yaml.safe_load(text)["groups"]]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "mongobackup", "labels": {"app.kubernetes.io/name": "mongodb-backup-sidecar"}},
        "spec": {"groups": groups},
    }
    return HEAD + yaml.dump(resource, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as it is written in the rules files."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def table(files: list[str]) -> str:
    """The alerts as a Markdown table, the gravest first."""
    found = [rule for text in files for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    alerts = [rule for rule in found if "alert" in rule]
    rows = [
        f"| [{one['alert']}](runbooks/{one['alert']}.md) | {severity} | {bare(one['annotations']['summary'])} |"
        for severity in GRAVEST_FIRST
        for one in alerts
        if one["labels"]["severity"] == severity
    ]
    return "\n".join(["| alert | severity | says |", "|---|---|---|", *rows]) + "\n"


def bare(summary: str) -> str:
    """What an alert says, without of whom."""
    return re.sub(r" \(\{\{.*?\}\}\)(?=\.$)", "", summary)


def page(text: str, files: list[str]) -> str:
    """docs/monitoring.md with the table of now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table(files)}{END}{after}"


def with_runbooks(text: str, url: str) -> str:
    """A rules file whose runbooks are under this address."""
    return RUNBOOKS.sub(lambda _: url, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runbooks", metavar="URL", help="what the names of the alerts are appended to, with its last slash"
    )
    parser.add_argument("out", nargs="?", type=Path, default=HERE, metavar="OUT")
    asked = parser.parse_args()
    files = {name: (HERE / name).read_text() for name in RULES}
    if asked.runbooks:
        files = {name: with_runbooks(text, asked.runbooks) for name, text in files.items()}
    if asked.out.resolve() == HERE.resolve():
        PAGE.write_text(page(PAGE.read_text(), list(files.values())))
    else:
        for name, text in files.items():
            (asked.out / name).write_text(text)
    read_by_people = [with_runbooks(text, asked.runbooks or FORWARDED) for text in files.values()]
    (asked.out / OBJECT).write_text(prometheusrule(read_by_people))


if __name__ == "__main__":
    main()
