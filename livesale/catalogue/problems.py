"""Problems of campaigns. Codes are stable, because clients depend on them."""

from livesale.catalogue.pictures.media_store import MediaUnavailable
from livesale.web.problems import declare, declare_faults

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
    unknown_product=(404, "There is no such product", "Correct the id."),
    unknown_category=(404, "There is no such category", "Correct the id."),
    unknown_picture=(404, "There is no such picture", "Correct the address."),
    unknown_import=(404, "There is no such import", "Correct the id."),
    product_changed=(
        409,
        "Somebody else has changed the product",
        "Read it again, and send its `version`.",
    ),
    product_incomplete=(409, "The product cannot go on sale yet", "Do what `detail` says."),
    not_a_draft=(
        409,
        "The product cannot be deleted",
        "Set `status` to archived: only a draft without SKUs can be deleted.",
    ),
    list_price_unasked=(
        409,
        "This list price was not asked in the last 7 days",
        "Use a price at which it was sold, or say in `list_price_base` where it comes from.",
    ),
    category_taken=(409, "There is a category with this path", "Use another path."),
    category_used=(
        409,
        "The category is not empty",
        "Move or delete its products and the categories in it first.",
    ),
    too_many_categories=(409, "There are too many categories", "Delete one first."),
    picture_pixels=(413, "The picture is too large", "Send a smaller one: see `detail`."),
    picture_kind=(415, "This is no picture that can be shown", "Send JPEG, PNG, WebP or GIF."),
    picture_mixed=(
        422,
        "The file is a picture and something else",
        "Save the picture again with another program.",
    ),
    picture_broken=(422, "The picture cannot be read", "Save it again: see `detail`."),
    media_unavailable=(
        503,
        "The store of pictures is unavailable",
        "Repeat it. An operator must act if it lasts.",
        2,
    ),
    code_taken=(409, "Another one has this code", "Use another code."),
)

declare_faults((MediaUnavailable, "media_unavailable"))
