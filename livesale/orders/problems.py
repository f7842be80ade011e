"""Problems of orders. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_order=(
        404,
        "There is no such order",
        "If the reservation is new, wait a moment: SQL follows the log. Otherwise correct the id.",
    ),
    unknown_address=(404, "There is no such address", "Correct the id."),
    unknown_parcel=(404, "There is no such parcel", "Correct the id."),
    addresses_off=(
        404,
        "Addresses are switched off",
        "Nothing to do: no key is set that encrypts them (`LIVESALE__ORDERS__ADDRESS_KEY`).",
    ),
    too_many_addresses=(409, "Too many addresses", "Delete another address first."),
    order_over=(409, "The order is over", "Stop: nothing of it will be sent."),
    already_packed=(
        409,
        "The order is being packed, or on its way",
        "Stop, and contact the shop: the address cannot change any more.",
    ),
    not_sold=(409, "The order is not paid", "Wait for the payment, or stop."),
    no_address=(409, "The order has no address", "Ask the buyer for an address."),
    all_shipped=(
        409,
        "Nothing of this order is left to pack or unpack",
        "Correct the number of its parcels instead.",
    ),
    too_many_parcels=(409, "Too many parcels", "Put more into one parcel."),
    not_shipped=(409, "Nothing is on its way", "Wait until the shop has shipped it."),
    unknown_case=(404, "There is no such case", "Correct the id."),
    case_open=(409, "The order has an open case", "Wait for its end, or withdraw it."),
    case_over=(
        409,
        "The case is in another state",
        "Read the case again: `detail` says its state.",
    ),
    too_late=(409, "It was received too long ago", "Stop, and contact the shop."),
    nothing_left=(
        409,
        "Nothing of the order is left to ask for",
        "Stop: see its cases and refunds.",
    ),
    too_many_pictures=(409, "Too many pictures of this order", "Use those that it has."),
    too_many_cases=(409, "Too many cases of this order", "Stop, and contact the shop."),
    already_received=(409, "The parcel has arrived", "Stop: its number cannot change any more."),
)
