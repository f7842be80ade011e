"""Problems of tables that are sent. Codes are stable, because clients depend on them."""

from livesale.web.problems import declare

PROBLEMS = declare(
    file_kind=(415, "This file is not xlsx or csv", "Save it as xlsx, or as csv in UTF-8."),
    file_encoding=(422, "The encoding of the csv is unknown", "Save it in UTF-8 or GBK."),
    file_header=(422, "The header of the table is wrong", "Correct the first row: see `detail`."),
    file_merged=(422, "The table has merged cells", "Unmerge the cells that `detail` names."),
    file_rows=(413, "The table is too large, or empty", "Split it: see `detail`."),
    file_broken=(422, "The file cannot be read", "Save it again: see `detail`."),
)
FILE_PROBLEMS = tuple(PROBLEMS)
