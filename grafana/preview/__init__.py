"""A stand-in for Grafana: the panels' own queries, asked of a Prometheus and drawn in the same grid."""
