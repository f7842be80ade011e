"""The HTTP client for WeChat's servers: bounds, answers, the access token."""
