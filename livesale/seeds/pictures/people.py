"""The pictures of people, and the studio of the live room."""

from livesale.seeds.pictures.canvas import Canvas, curve, leaf

INK = "#2b2f3a"
# Ground, skin, hair, clothes, and how the hair is worn.
LOOKS: dict[str, tuple[str, str, str, str, str]] = {
    "host": ("#f7d9c9", "#f6cfae", "#3a2a2a", "#c8553f", "long"),
    "ann": ("#d9e8e1", "#f3c9a5", "#5b3a29", "#2f6b55", "bun"),
    "bo": ("#dbe4f2", "#eabf97", "#26262e", "#35557d", "short"),
    "chen": ("#f6e7c3", "#f4cba6", "#2e2a33", "#e0a536", "bob"),
    "dai": ("#e7e0f2", "#e3b48c", "#3b3030", "#6a5aa8", "short"),
    "eva": ("#f4dde2", "#f7d3b4", "#8a5a36", "#b5657d", "long"),
    "fei": ("#dcebed", "#d9a67c", "#1f1f27", "#1f7a7a", "cap"),
    "gao": ("#e6ead9", "#efc49b", "#4a4a52", "#7a8b4f", "short"),
    "hua": ("#f8e1d0", "#f5cba7", "#2a2430", "#e76f51", "bob"),
}


def avatar(name: str) -> bytes:
    ground, skin, hair, clothes, style = LOOKS[name]
    canvas = Canvas(ground, width=480, height=480)
    back = {"long": (118, 96, 362, 420), "bob": (120, 96, 360, 330)}.get(style)
    if back:
        canvas.block(back, hair, 116)
    if style == "bun":
        canvas.disc(240, 82, 50, hair)
    canvas.block((92, 368, 388, 620), clothes, 118)
    canvas.block((196, 300, 284, 424), skin, 44)
    canvas.block((196, 322, 284, 352), "#00000014", 10)
    canvas.oval((148, 112, 332, 330), skin)
    if style == "cap":
        canvas.pie((140, 88, 340, 312), 180, 360, clothes)
        canvas.block((136, 192, 366, 218), clothes, 13)
    else:
        canvas.pie((138, 92, 342, 316), 182, 358, hair)
        fringe = curve((150, 204), (196, 208), (250, 180), (262, 128))
        fringe += curve((262, 128), (270, 180), (296, 202), (330, 204))
        canvas.shape([*fringe, (318, 150), (240, 110), (162, 150)], hair)
    for x in (204, 276):
        canvas.disc(x, 238, 10, INK)
        canvas.disc(x - (240 - x) * 0.55, 270, 17, "#ef8a7a55")
    canvas.arc((212, 250, 268, 290), 25, 155, "#a8483f", 8)
    return canvas.png()


def studio() -> bytes:
    """The cover of the room: upright, quiet below, where comments stand."""
    canvas = Canvas("#e9c9b1", width=900, height=1_600)
    canvas.shade("#f3d9c4ff", "#dba98aff", (0, 0, 900, 1_080))
    canvas.block((170, 190, 730, 1_200), "#f6e6d6", 280)
    canvas.disc(450, 470, 190, "#fdf6ec")
    canvas.disc(450, 470, 120, "#f2b38a")
    for y, width in ((620, 420), (660, 340), (700, 240)):
        canvas.block((450 - width / 2, y, 450 + width / 2, y + 16), "#e58f6c", 8)
    canvas.block((0, 1_060, 900, 1_600), "#8a4b3a")
    canvas.block((0, 1_060, 900, 1_092), "#a55d48")
    _plant(canvas)
    _tins(canvas)
    _pot(canvas)
    for x in (120, 780):
        canvas.line([(x, 0), (x, 150 if x < 450 else 230)], "#6b4034", 6)
        y = 150 if x < 450 else 230
        canvas.pie((x - 74, y - 20, x + 74, y + 128), 180, 360, "#2f6b55")
        canvas.disc(x, y + 62, 26, "#fff0c4")
    canvas.shade("#3a1d1600", "#3a1d16d8", (0, 1_020, 900, 1_600))
    canvas.shade("#3a1d1660", "#3a1d1600", (0, 0, 900, 240))
    return canvas.png()


def _plant(canvas: Canvas) -> None:
    for angle, length in ((-56, 260), (56, 260), (-30, 330), (30, 330), (0, 380)):
        canvas.shape(leaf(150, 900, length, 58, angle), "#4e8a68" if angle % 4 else "#2f6b55")
    canvas.shape([(70, 880), (230, 880), (206, 1_062), (94, 1_062)], "#f6efe4")
    canvas.shape([(70, 880), (116, 880), (118, 1_062), (94, 1_062)], "#ffffff70")
    canvas.block((58, 856, 242, 898), "#fdf8f0", 18)


def _tins(canvas: Canvas) -> None:
    for x, top, body, lid in ((604, 800, "#2f6b55", "#c79a4b"), (734, 870, "#35557d", "#e9c46a")):
        canvas.block((x, top, x + 118, 1_066), body, 16)
        canvas.block((x, top, x + 26, 1_066), "#ffffff30", 16, (True, False, False, True))
        canvas.block((x - 6, top - 34, x + 124, top + 10), lid, 14)
        canvas.disc(x + 59, (top + 1_066) / 2 + 8, 38, "#fbf6ec")
        canvas.shape(leaf(x + 59, (top + 1_066) / 2 + 34, 54, 20, 0), body)


def _pot(canvas: Canvas) -> None:
    clay, deep = "#8fb9a8", "#6f9d8b"
    canvas.arc((462, 880, 572, 1_030), -90, 90, deep, 22)
    spout = curve((330, 990), (276, 984), (280, 910), (240, 890))
    spout += curve((268, 874), (318, 900), (322, 930), (356, 940))
    canvas.shape(spout, deep)
    canvas.oval((290, 866, 520, 1_070), clay)
    canvas.oval((316, 888, 392, 984), "#ffffff38")
    canvas.oval((336, 848, 474, 892), deep)
    canvas.pie((342, 818, 468, 902), 180, 360, "#b9d6c9")
    canvas.disc(405, 814, 18, "#c8653f")
    canvas.block((356, 1_056, 454, 1_074), deep, 9)
