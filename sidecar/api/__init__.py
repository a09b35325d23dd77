"""The HTTP API: typed routes from which validation, the OpenAPI document and its page come, and the handlers behind them."""
