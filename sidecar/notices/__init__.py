"""Notices for people without Alertmanager: heartbeats, a webhook, mail. They wait in the record until they are delivered."""
