"""All routes. What is asked most often stands first: aiohttp looks in this order."""

from livesale.http import (
    admin,
    campaigns,
    clock,
    drops,
    health,
    operations,
    orders,
    reservations,
    sessions,
    tickets,
)

ROUTES = [
    *reservations.ROUTES,
    *tickets.ROUTES,
    *drops.ROUTES,
    *clock.ROUTES,
    *campaigns.ROUTES,
    *orders.ROUTES,
    *sessions.ROUTES,
    *admin.ROUTES,
    *health.ROUTES,
    *operations.ROUTES,
]
