"""The one place where objects meet: `service` for the one-shot commands, `server` for the process that stays."""
