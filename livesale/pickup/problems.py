"""Why an order is not handed out. Codes are stable."""

from livesale.web.problems import declare

PROBLEMS = declare(
    not_a_clerk=(
        403,
        "Only a clerk of a store may do that",
        "Log in as a clerk that has a `store_id`.",
    ),
    unknown_store=(404, "There is no such store", "Correct the id."),
    unknown_pickup=(
        404,
        "The order is not collected in a store",
        "Choose a store, or give an address.",
    ),
    store_closed=(409, "The store takes no more orders", "Choose another store."),
    wrong_code=(
        409,
        "No order of this store has this code",
        "Read it again; the order may be waiting in another store.",
    ),
    pickup_used=(409, "The order was handed out before", "Do not hand out anything."),
)
