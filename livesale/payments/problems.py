"""Problems of payments and refunds. Codes are stable, because clients depend on them."""

from livesale.payments.errors import (
    AmountMismatch,
    CallbackRefused,
    GatewayFault,
    GatewayRefused,
)
from livesale.web.problems import declare, declare_faults

PROBLEMS = declare(
    callback_refused=(
        403,
        "This callback is not from the payment gateway, or not for us",
        "Nothing to do. Our log says what was wrong: signature, age, or merchant.",
    ),
    gateway_off=(
        404,
        "This payment gateway is not in use here",
        "Use the gateway that the settings name.",
    ),
    payer_unknown=(
        409,
        "Log in with WeChat before paying",
        "Log in with WeChat: it only takes payments of users it knows.",
    ),
    paying_elsewhere=(
        409,
        "The payment was begun in another app",
        "Pay where you began: `detail` names the app. Nothing was paid here.",
    ),
    payment_refused=(409, "The payment gateway refused this order", "Stop, and contact the shop."),
    amount_mismatch=(
        409,
        "The amount differs from that of the reservation",
        "Pay what the reservation costs: `amount_fen`.",
    ),
    transaction_used=(
        409,
        "This transaction already paid for another order",
        "Use another id for another payment.",
    ),
    not_paid=(
        409,
        "There is no payment to refund",
        "Nothing to do: there is no money to send back.",
    ),
    already_refunded=(
        409,
        "The refund has already begun",
        "Nothing to do: `GET /v1/admin/refunds` shows the state.",
    ),
    unknown_refund=(404, "There is no such refund", "Correct the number."),
    refund_settled=(
        409,
        "The gateway has accepted this refund",
        "Nothing to do: the money is on its way, or back.",
    ),
    partial_refund=(
        409,
        "A part of the money needs a `refund_id`",
        "Send a `refund_id` of yours: the same id again is the same refund, never a second one.",
    ),
    too_much_back=(
        409,
        "More would go back than was paid",
        "Ask for less: `detail` says how much is left.",
    ),
    nothing_to_pay=(
        409,
        "The order costs nothing",
        "Nothing to do: it was granted, as a prize is.",
    ),
    payment_unavailable=(
        503,
        "The payment gateway is unavailable",
        "Repeat it: the same order is announced, never a second one.",
        2,
    ),
)

declare_faults(
    (GatewayRefused, "payment_refused"),
    (GatewayFault, "payment_unavailable"),
    (CallbackRefused, "callback_refused"),
    (AmountMismatch, "amount_mismatch"),
)
