"""All routes. What is asked most often stands first: aiohttp looks in this order."""

from livesale.http import (
    admin,
    campaigns,
    clock,
    drops,
    health,
    operations,
    orders,
    payments,
    refunds,
    reservations,
    sessions,
    tickets,
    wechat_notify,
)

ROUTES = [
    *reservations.ROUTES,
    *tickets.ROUTES,
    *payments.ROUTES,
    *drops.ROUTES,
    *clock.ROUTES,
    *campaigns.ROUTES,
    *orders.ROUTES,
    *sessions.ROUTES,
    *wechat_notify.ROUTES,
    *admin.ROUTES,
    *refunds.ROUTES,
    *health.ROUTES,
    *operations.ROUTES,
]
