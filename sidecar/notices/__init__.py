"""Word to those who have no Alertmanager: heartbeats, a webhook, mail. All of it waits in the record until it is delivered."""
