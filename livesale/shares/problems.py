"""Why something is not shared. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    unknown_share=(404, "There is no such code", "Correct it: it has 8 characters."),
    wxacode_off=(
        404,
        "No mini-program is set up here",
        "Nothing to do: `LIVESALE__WECHAT__APPID` is not set. Use the link.",
    ),
    wxacode_unavailable=(
        503,
        "WeChat does not give the mini-program's code now",
        "Repeat it, or use the link. If it lasts, `detail` tells an operator why.",
        5,
    ),
)
