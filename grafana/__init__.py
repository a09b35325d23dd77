"""Grafana dashboards as a program: `python -m grafana.build` writes the JSON beside it."""
