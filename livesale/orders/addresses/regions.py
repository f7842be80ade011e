"""The provinces of China, and what a city and a district may be called. No I/O.

Names of cities and districts change every year, so only their form is checked; a province is one of
34. A name without its ending (广东) gets it.
"""

import re

_ENDINGS = {
    "省": "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 "
    "贵州 云南 陕西 甘肃 青海 台湾",
    "市": "北京 天津 上海 重庆",
    "特别行政区": "香港 澳门",
}
_REGIONS = {
    "内蒙古": "内蒙古自治区",
    "广西": "广西壮族自治区",
    "西藏": "西藏自治区",
    "宁夏": "宁夏回族自治区",
    "新疆": "新疆维吾尔自治区",
}
_BY_SHORT = _REGIONS | {
    short: short + ending for ending, names in _ENDINGS.items() for short in names.split()
}
PROVINCES = frozenset(_BY_SHORT.values())
MUNICIPALITIES = frozenset(f"{short}市" for short in _ENDINGS["市"].split())
ELSEWHERE = frozenset({"香港特别行政区", "澳门特别行政区", "台湾省"})  # with names of their own
UNDIVIDED = frozenset({"东莞市", "中山市", "儋州市", "嘉峪关市"})  # cities without districts
_DIRECT = frozenset({"市辖区", "县", "城区", "郊县"})  # in place of a municipality's city
_COUNTIES = ("省直辖县级行政区划", "自治区直辖县级行政区划", "直辖县")

_is_name = re.compile(r"[\u3400-\u9fff·（）()]{1,30}").fullmatch
_is_city = re.compile(r".+(市|州|盟|地区|区划|直辖县|县|区|林区)").fullmatch
_is_district = re.compile(
    r".+(市|区|县|旗|镇|乡|街道|州|岛|新区|林区|特区|办事处|管理局)"
).fullmatch


def province_of(text: str) -> str:
    """The full name of a province; empty if there is none of this name."""
    text = text.strip()
    return text if text in PROVINCES else _BY_SHORT.get(text, "")


def city_of(province: str, text: str) -> str:
    """The city of a full province; empty if it cannot be one."""
    text = text.strip()
    if province in MUNICIPALITIES:
        short = province.removesuffix("市")
        return province if text in (province, short) or text in _DIRECT else ""
    if not _is_name(text):
        return ""
    if province in ELSEWHERE or text in _COUNTIES or _is_city(text):
        return text
    return ""


def is_district(province: str, city: str, text: str) -> bool:
    """Whether a district can have this name; empty where a city has none."""
    if not text:
        return city in UNDIVIDED or province in ELSEWHERE
    return bool(_is_name(text)) and (province in ELSEWHERE or bool(_is_district(text)))
