"""What `sidecar demo` shows the sidecar with: a made-up school and a throw-away MongoDB-compatible server."""
