"""HTTP without any feature: connections, limits, routes, checks, answers, documents."""
