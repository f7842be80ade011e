"""Results as a file: a row for each drop, and their sums. No I/O."""

from typing import Literal

from livesale.results.service import DropResult, Results
from livesale.spreadsheets.writing import Cell, write_csv

Language = Literal["zh", "en"]

_SUMMED = (
    *("allotted", "remaining", "held", "sold", "burned", "reserved_orders", "reserved_units"),
    *("sold_orders", "released_orders", "expired_orders", "amount_fen", "back_fen", "late_fen"),
    "failed_fen",
)
_COLUMNS = ("drop_id", "title", "state", "price_fen", *_SUMMED)
_CHINESE = (
    *("场次编号", "商品", "状态", "单价（分）", "总数", "剩余", "待付款", "已售", "报废"),
    *("预订单数", "预订件数", "成交单数", "取消单数", "超时单数", "成交额（分）", "退款（分）"),
    *("迟付退款（分）", "退款失败（分）"),
)


def write_results(found: Results, language: Language) -> bytes:
    names = _CHINESE if language == "zh" else _COLUMNS
    rows = [_row(drop) for drop in found.drops]
    sums: list[Cell] = [sum(getattr(drop, name) for drop in found.drops) for name in _SUMMED]
    total = "合计" if language == "zh" else "total"
    return write_csv(names, [*rows, [total, "", "", "", *sums]])


def _row(drop: DropResult) -> list[Cell]:
    return [getattr(drop, name) for name in _COLUMNS]
