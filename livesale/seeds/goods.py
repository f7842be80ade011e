"""The goods of the seeded shop. Data only."""

from msgspec import Struct

CATEGORIES = (
    ("茶饮", "茶饮 Tea & honey"),
    ("家居", "家居 Home"),
    ("数码", "数码 Sound & desk"),
    ("出行", "出行 On the go"),
)


class Kind(Struct, frozen=True):
    """One SKU. `attributes` are names and values."""

    code: str
    title: str
    price_fen: int
    attributes: tuple[tuple[str, str], ...] = ()


class Goods(Struct, frozen=True):
    """A product; `picture` names its drawing."""

    code: str
    picture: str
    category: str
    title: str
    text: str
    list_fen: int
    kinds: tuple[Kind, ...]


def _one(
    picture: str,
    category: str,
    title: str,
    price_fen: int,
    list_fen: int,
    text: str,
    *attributes: tuple[str, str],
) -> Goods:
    code = f"LS-{picture.upper()}"
    return Goods(
        code, picture, category, title, text, list_fen, (Kind(code, title, price_fen, attributes),)
    )


GOODS: tuple[Goods, ...] = (
    _one(
        *("tea", "茶饮", "明前龙井 Longjing green tea, 100 g", 12_800, 16_800),
        "**清明前头采**，豆香清甜，回甘悠长。80 ℃ 水温冲泡，三泡仍有余香。\n\n"
        "First spring pick from Hangzhou. Nutty, sweet, clean. Brew at 80 °C, three times.\n\n"
        "- 净含量 Net weight: 100 g\n- 产地 Origin: 浙江杭州 Hangzhou\n"
        "- 保质期 Best before: 18 months",
        ("净含量 Weight", "100 g"),
        ("产地 Origin", "杭州 Hangzhou"),
    ),
    _one(
        *("teapot", "茶饮", "青瓷茶壶 Celadon teapot, 320 ml", 26_800, 36_800),
        "**龙泉青瓷**，手工拉坯，出水利落，壶盖严丝合缝。\n\n"
        "Hand-thrown Longquan celadon. Pours clean, and the lid fits.\n\n"
        "- 容量 Volume: 320 ml\n- 附滤网 With a strainer",
        ("容量 Volume", "320 ml"),
        ("釉色 Glaze", "梅子青 plum green"),
    ),
    _one(
        *("honey", "茶饮", "百花蜂蜜 Wildflower honey, 500 g", 5_900, 7_900),
        "秦岭**百花蜜**，当年新蜜，不添加一滴糖浆。\n\n"
        "This year's honey from the Qinling mountains. Nothing added.\n\n"
        "- 净含量 Net weight: 500 g\n- 一岁以下婴儿不宜 Not for infants under one year",
        ("净含量 Weight", "500 g"),
    ),
    Goods(
        *("LS-MUG", "mug", "家居", "手作马克杯 Stoneware mug, 350 ml"),
        "高温**粗陶**，握感厚实，可进微波炉和洗碗机。\n\n"
        "Heavy stoneware for slow mornings. Safe in microwave and dishwasher.",
        9_900,
        (
            Kind(
                "LS-MUG-BLUE",
                "手作马克杯 Stoneware mug · 靛蓝 indigo",
                6_900,
                (("颜色 Colour", "靛蓝 indigo"),),
            ),
            Kind(
                "LS-MUG-SAND",
                "手作马克杯 Stoneware mug · 沙色 sand",
                6_900,
                (("颜色 Colour", "沙色 sand"),),
            ),
        ),
    ),
    _one(
        *("candle", "家居", "豆蔻香薰蜡烛 Cardamom candle, 45 h", 8_800, 11_900),
        "大豆蜡，**豆蔻与雪松**，点燃四十五小时。\n\n"
        "Soy wax with cardamom and cedar. Burns for 45 hours.",
        ("时长 Burns", "45 h"),
    ),
    _one(
        *("lamp", "家居", "可折叠台灯 Folding desk lamp", 19_900, 25_900),
        "三段折叠，**五档色温**，照亮书页，不刺眼。\n\n"
        "Folds flat. Five colour temperatures, no glare.\n\n- 供电 Power: USB-C, 8 W",
        ("供电 Power", "USB-C, 8 W"),
    ),
    _one(
        *("headphones", "数码", "主动降噪耳机 Noise-cancelling headphones", 49_900, 69_900),
        "**四十小时续航**，折叠收纳，佩戴无感。\n\n"
        "Forty hours on one charge. They fold, and you forget that you wear them.\n\n"
        "- 蓝牙 Bluetooth 5.4\n- 充电十分钟，听五小时 10 min charge, 5 h of music",
        ("续航 Battery", "40 h"),
        ("蓝牙 Bluetooth", "5.4"),
    ),
    _one(
        *("keyboard", "数码", "机械键盘 Low-profile keyboard", 39_900, 45_900),
        "矮轴 **40 键**，三模连接，桌面终于空出来。\n\n"
        "Forty low keys, three ways to connect, and a desk with room again.",
        ("轴体 Switches", "红轴 linear"),
        ("连接 Connects", "USB-C / 2.4 GHz / Bluetooth"),
    ),
    _one(
        *("speaker", "数码", "便携蓝牙音箱 Portable speaker", 29_900, 35_900),
        "**IPX7 防水**，双单元，一只就能铺满客厅。\n\n"
        "Waterproof, two drivers, and loud enough for a living room.",
        ("防水 Water", "IPX7"),
    ),
    _one(
        *("tote", "出行", "日出帆布袋 Sunrise canvas tote", 5_900, 7_900),
        "16 安**厚帆布**，承重十五公斤，越用越软。\n\n"
        "Heavy 16 oz canvas. Carries 15 kg, and gets softer every year.",
        ("承重 Carries", "15 kg"),
    ),
    _one(
        *("umbrella", "出行", "抗风长柄伞 Storm umbrella", 12_900, 15_900),
        "双层伞面，**抗八级风**，一甩即干。\n\n"
        "Double canopy. Stands a gale, and dries with one shake.",
        ("直径 Diameter", "120 cm"),
    ),
    _one(
        *("bottle", "出行", "保温随行杯 Insulated bottle, 600 ml", 9_900, 12_900),
        "316 不锈钢，**热十二小时，冷二十四小时**。\n\n"
        "Steel inside and out. Hot for 12 hours, cold for 24.",
        ("容量 Volume", "600 ml"),
    ),
)

LIST_BASE = "品牌官网标价 Price in the maker's shop"
PRIZE_CODE, PRIZE_TITLE, PRIZE_FEN = "LS-SAMPLE", "福袋茶样 Tea sample, 8 g", 900
