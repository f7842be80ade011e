"""The columns of a table of goods, and what a row of it means. No I/O."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct

from livesale.catalogue.products.service import NewProduct
from livesale.catalogue.skus.service import NewSku

# Each column by its names; the first is the one that exports write.
COLUMNS: dict[str, tuple[str, ...]] = {
    "product": ("product_code", "商品编码", "款号"),
    "title": ("title", "标题", "商品标题", "商品名称", "名称"),
    "code": ("sku_code", "code", "货号", "规格编码", "SKU编码"),
    "sku_title": ("sku_title", "规格名称"),
    "price": ("price", "价格", "售价", "价格(元)", "价格（元）"),
    "list_price": ("list_price", "划线价", "原价"),
    "list_price_base": ("list_price_base", "划线价依据"),
    "category": ("category", "类目", "分类"),
    "description": ("description", "描述", "商品描述"),
    "attributes": ("attributes", "商品属性"),
    "sku_attributes": ("sku_attributes", "规格"),
    "pictures": ("pictures", "图片"),
    "status": ("status", "状态"),
    "stock": ("stock", "库存"),
    "safety_stock": ("safety_stock", "安全库存"),
}
REQUIRED = ("title", "price")
# What our own files have besides: it says nothing to an import.
IGNORED = ("reason", "sku_id", "on_hand", "free")
STATUSES = {"草稿": "draft", "上架": "on_sale", "在售": "on_sale"}
_NAMES = {name.casefold(): key for key, names in COLUMNS.items() for name in names}
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_PAIR = re.compile(r"[:=：＝]")
_BETWEEN = re.compile(r"[;；\n]")
_FIELDS = {"price_fen": "price", "list_price_fen": "list_price", "code": "sku_code"}


class BadRow(Exception):
    """A row that cannot be imported. The text is for the person who made the file."""


class GoodsRow(Struct, frozen=True):
    """What a row asks for. `stock` units are received; None: the SKU keeps no stock."""

    product: NewProduct
    sku: NewSku
    stock: int | None


def read_columns(columns: Sequence[str]) -> list[str]:
    """The keys of the columns of a file; empty for one that is ignored.

    Raises BadRow for one that is unknown, named twice in two ways, or missing.
    """
    keys: list[str] = []
    for name in columns:
        if name.casefold() in IGNORED:
            keys.append("")
            continue
        key = _NAMES.get(name.casefold())
        if key is None:
            raise BadRow(f"The column {name[:50]} is unknown. Known are: {_known()}.")
        if key in keys:
            raise BadRow(f"The column {name[:50]} comes twice, with another name.")
        keys.append(key)
    for key in REQUIRED:
        if key not in keys:
            raise BadRow(f"The column {COLUMNS[key][0]} is missing.")
    return keys


def read_row(keys: Sequence[str], cells: Sequence[str]) -> GoodsRow:
    """Raises BadRow with the first thing that is wrong."""
    row = {key: cell for key, cell in zip(keys, cells, strict=True) if key and cell}
    for key in REQUIRED:
        if key not in row:
            raise BadRow(f"{COLUMNS[key][0]}: it is empty.")
    stock = _number(row, "stock")
    sku: dict[str, Any] = {
        "title": row.get("sku_title", row["title"]),
        "price_fen": _fen(row, "price"),
        "code": row.get("code"),
        "attributes": _pairs(row, "sku_attributes"),
        "keeps_stock": stock is not None,
        "safety_stock": _number(row, "safety_stock") or 0,
    }
    if stock is None and sku["safety_stock"]:
        raise BadRow("safety_stock: stock is empty, so no stock is kept.")
    status = row.get("status", "draft")
    product: dict[str, Any] = {
        "title": row["title"],
        "code": row.get("product"),
        "description": row.get("description", ""),
        "attributes": _pairs(row, "attributes"),
        "pictures": _pictures(row),
        "category": row.get("category", ""),
        "status": STATUSES.get(status, status),
        "list_price_fen": _fen(row, "list_price") if "list_price" in row else None,
        "list_price_base": row.get("list_price_base", ""),
    }
    return GoodsRow(_typed(product, NewProduct), _typed(sku, NewSku), stock)


def _typed(values: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as fault:
        text = str(fault)
        place = _AT.search(text)
        name = place[1] if place else ""
        raise BadRow(f"{_FIELDS.get(name, name)}: {_AT.sub('', text)}.") from None


def _fen(row: dict[str, str], key: str) -> int:
    """Yuan as fen, such as 12.5 as 1250."""
    text = row[key].removeprefix("¥").removeprefix("￥").replace(",", "").strip()
    try:
        yuan = Decimal(text)
        fen = yuan * 100
        if not yuan.is_finite() or fen != fen.to_integral_value():
            raise BadRow(f"{COLUMNS[key][0]}: {row[key][:30]} has more than two decimals.")
    except (InvalidOperation, OverflowError):
        raise BadRow(f"{COLUMNS[key][0]}: {row[key][:30]} is no price in yuan.") from None
    if abs(fen) > 10**12:
        raise BadRow(f"{COLUMNS[key][0]}: {row[key][:30]} is too much.")
    return int(fen)


def _number(row: dict[str, str], key: str) -> int | None:
    text = row.get(key)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadRow(f"{key}: {text[:30]} is no number of units.")
    return int(text)


def _pairs(row: dict[str, str], key: str) -> list[dict[str, str]]:
    """`颜色=红; 尺寸=L` as attributes."""
    found = []
    for part in filter(None, map(str.strip, _BETWEEN.split(row.get(key, "")))):
        pair = _PAIR.split(part, maxsplit=1)
        if len(pair) != 2:
            raise BadRow(f"{key}: {part[:30]} is no `name=value`.")
        found.append({"name": pair[0].strip(), "value": pair[1].strip()})
    return found


def _pictures(row: dict[str, str]) -> list[dict[str, str]]:
    """Ids of uploaded pictures, or https addresses, with spaces between them."""
    names = row.get("pictures", "").split()
    return [{"url" if "/" in name else "picture_id": name} for name in names]


def _known() -> str:
    return ", ".join(names[0] for names in COLUMNS.values())
