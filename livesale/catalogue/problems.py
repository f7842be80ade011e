"""Problems of campaigns. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_campaign=(404, "There is no such campaign", "Correct the id."),
    unknown_sku=(404, "There is no such SKU", "Correct the id."),
    too_little_stock=(
        409,
        "The SKU has too few free units",
        "`available` says how many are free. Receive more, or close another drop of the SKU first.",
    ),
    stock_not_kept=(
        409,
        "This SKU keeps no stock",
        "Change `keeps_stock` to true first. Without it, drops sell what they are made with.",
    ),
    code_taken=(409, "Another one has this code", "Use another code."),
)
