"""The pictures of the goods: flat, one light from the upper left, a disc behind, a shadow below."""

from collections.abc import Callable

from livesale.seeds.pictures.canvas import Box, Canvas, curve, leaf

INK = "#2b2f3a"
CREAM = "#fbf6ec"
LIGHT = "#ffffff38"  # where the light falls
DARK = "#00000018"  # and where it does not


def _stage(ground: str, disc: str, shadow: Box) -> Canvas:
    canvas = Canvas(ground)
    canvas.disc(500, 480, 372, disc)
    canvas.shadow(shadow)
    return canvas


def tea() -> bytes:
    canvas = _stage("#dfe9dc", "#edf3e9", (300, 770, 740, 840))
    canvas.block((330, 300, 670, 800), "#2f6b55", 34)
    canvas.block((330, 300, 400, 800), LIGHT, 34, (True, False, False, True))
    canvas.block((610, 300, 670, 800), DARK, 34, (False, True, True, False))
    canvas.block((318, 238, 682, 330), "#c79a4b", 26)
    canvas.block((318, 238, 394, 330), LIGHT, 26, (True, False, False, True))
    canvas.block((330, 322, 670, 336), DARK)
    canvas.disc(500, 560, 118, CREAM)
    for angle, length in ((-38, 130), (38, 130), (0, 168)):
        canvas.shape(leaf(500, 640, length, 46, angle), "#5d9b6f" if angle else "#2f6b55")
    return canvas.png()


def teapot() -> bytes:
    canvas = _stage("#f4e3d7", "#faf0e8", (230, 760, 770, 840))
    clay, deep, pale = "#8fb9a8", "#6f9d8b", "#b9d6c9"
    canvas.arc((640, 400, 850, 690), -95, 95, deep, 40)
    spout = curve((330, 640), (230, 620), (240, 480), (165, 440))
    spout += curve((215, 412), (300, 450), (320, 520), (380, 540))
    canvas.shape(spout, deep)
    canvas.oval((255, 385, 745, 800), clay)
    canvas.oval((305, 425, 470, 640), LIGHT)
    canvas.block((390, 780, 610, 812), deep, 16)
    canvas.oval((360, 360, 640, 440), deep)
    canvas.pie((372, 300, 628, 470), 180, 360, pale)
    canvas.disc(500, 296, 36, "#c8653f")
    return canvas.png()


def mug() -> bytes:
    canvas = _stage("#dbe6ee", "#eaf1f6", (280, 770, 760, 840))
    for x, top in ((410, 180), (490, 140), (570, 180)):
        canvas.line(curve((x, 330), (x - 50, 280), (x + 50, top + 70), (x, top)), "#ffffff", 20)
    canvas.arc((590, 450, 800, 690), -90, 90, "#2f4a6d", 46)
    canvas.block((280, 390, 660, 800), "#35557d", 70, (False, False, True, True))
    canvas.block((280, 400, 350, 800), LIGHT, 60, (False, False, False, True))
    canvas.oval((280, 345, 660, 440), "#46688f")
    canvas.oval((312, 360, 628, 428), "#6b4630")
    canvas.block((280, 560, 660, 600), "#e9c46a")
    canvas.block((280, 616, 660, 632), "#e9c46a")
    return canvas.png()


def honey() -> bytes:
    canvas = _stage("#f8ebc9", "#fdf5df", (300, 775, 720, 845))
    canvas.block((310, 350, 690, 810), "#e3a32f", 90)
    canvas.block((340, 390, 400, 770), "#ffffff48", 30)
    canvas.block((370, 305, 630, 370), "#f0be5a", 10)
    canvas.block((345, 215, 655, 318), "#8a5a36", 24)
    canvas.block((345, 215, 420, 318), LIGHT, 24, (True, False, False, True))
    canvas.block((365, 480, 635, 700), CREAM, 24)
    for x, y in ((500, 535), (455, 610), (545, 610)):
        canvas.shape(
            [(x, y - 46), (x + 40, y - 23), (x + 40, y + 23), (x, y + 46), (x - 40, y + 23),
             (x - 40, y - 23)],
            "#e3a32f" if y < 600 else "#f0be5a",
        )  # fmt: skip
    return canvas.png()


def headphones() -> bytes:
    canvas = _stage("#e5e0ef", "#f1edf7", (250, 790, 750, 850))
    canvas.arc((235, 205, 765, 775), 180, 360, "#3b3a55", 54)
    canvas.arc((262, 232, 738, 748), 190, 350, "#ffffff30", 10)
    for x, side in ((235, -1), (765, 1)):
        canvas.block((x - 34, 470, x + 34, 560), "#2b2a42", 20)
        canvas.block((x - 78, 520, x + 78, 800), "#57567a", 74)
        inner = x - side * 46
        canvas.block((inner - 46, 540, inner + 46, 780), "#2b2a42", 44)
        outer = x + side * 26
        canvas.block((outer - 18, 585, outer + 18, 735), "#ff8a65", 18)
    return canvas.png()


def keyboard() -> bytes:
    canvas = _stage("#dde5e2", "#ebf1ee", (150, 690, 850, 770))
    canvas.block((140, 340, 860, 720), "#39424e", 44)
    canvas.block((140, 340, 860, 700), "#4a5563", 44)
    keys = [[1.0] * 10, [1.5, *[1.0] * 7, 1.5], [1.0] * 10, [1.5, 1.0, 5.0, 1.0, 1.5]]
    accents = {(0, 0): "#e76f51", (1, 8): "#2a9d8f", (3, 2): "#e9c46a"}
    for row, widths in enumerate(keys):
        unit = (640 - 12 * (len(widths) - 1)) / sum(widths)
        x = 180.0
        for at, width in enumerate(widths):
            wide = unit * width
            y = 372 + row * 78
            canvas.block((x, y, x + wide, y + 66), "#2b333d", 14)
            canvas.block((x, y, x + wide, y + 58), accents.get((row, at), "#f3efe6"), 14)
            x += wide + 12
    return canvas.png()


def speaker() -> bytes:
    canvas = _stage("#f7dfd7", "#fcefea", (310, 790, 710, 850))
    canvas.block((320, 210, 680, 820), "#c75b4a", 84)
    canvas.block((320, 210, 400, 820), LIGHT, 84, (True, False, False, True))
    canvas.disc(500, 600, 140, "#5a2a28")
    canvas.disc(500, 600, 112, "#7c3a35")
    canvas.disc(500, 600, 46, "#f2c9a8")
    canvas.disc(500, 360, 78, "#5a2a28")
    canvas.disc(500, 360, 56, "#7c3a35")
    canvas.disc(500, 360, 22, "#f2c9a8")
    canvas.disc(612, 262, 14, "#ffe0a3")
    canvas.arc((410, 130, 590, 300), 180, 360, "#5a2a28", 30)
    return canvas.png()


def lamp() -> bytes:
    canvas = _stage("#2f3b52", "#3b4963", (250, 800, 610, 856))
    canvas.shape([(562, 428), (770, 336), (900, 810), (450, 810)], "#ffe9a830")
    canvas.shape([(604, 410), (728, 356), (812, 810), (546, 810)], "#ffe9a830")
    canvas.block((270, 790, 580, 830), "#e9b44c", 20)
    canvas.line([(425, 800), (330, 500), (560, 270)], "#d8dde6", 30)
    canvas.disc(330, 500, 34, "#e9b44c")
    canvas.shape([(528, 268), (612, 216), (770, 336), (562, 428)], "#e9b44c")
    canvas.shape([(528, 268), (562, 246), (650, 390), (562, 428)], "#ffffff38")
    canvas.shape([(562, 428), (770, 336), (742, 398), (610, 452)], "#fff4cf")
    canvas.disc(562, 262, 44, "#c99738")
    return canvas.png()


def tote() -> bytes:
    canvas = _stage("#d9e6ec", "#e8f0f4", (260, 800, 760, 860))
    canvas.arc((370, 150, 630, 610), 180, 360, "#b98a52", 34)
    canvas.shape([(290, 380), (710, 380), (760, 830), (240, 830)], "#f2e6d0")
    canvas.shape([(290, 380), (360, 380), (330, 830), (240, 830)], "#ffffff60")
    canvas.shape([(660, 380), (710, 380), (760, 830), (690, 830)], "#0000000f")
    canvas.block((290, 380, 710, 408), "#dcc9a6")
    for x in (370, 630):
        canvas.block((x - 26, 392, x + 26, 470), "#b98a52", 8)
    canvas.disc(500, 640, 100, "#e76f51")
    for at in range(3):
        canvas.line(
            curve(
                (382, 670 + at * 34),
                (440, 640 + at * 34),
                (540, 720 + at * 34),
                (618, 670 + at * 34),
            ),
            "#264653",
            14,
        )
    return canvas.png()


def umbrella() -> bytes:
    canvas = _stage("#e9eef2", "#f6f9fb", (330, 830, 650, 876))
    canvas.line([(500, 200), (500, 780)], "#6b7785", 22)
    canvas.arc((500, 730, 620, 850), 0, 180, "#b5533c", 30)
    canvas.pie((160, 210, 840, 890), 180, 360, "#2a7f8e")
    canvas.pie((330, 210, 670, 890), 180, 360, "#f4a261")
    canvas.pie((440, 210, 560, 890), 180, 360, "#e76f51")
    for x0, x1 in ((160, 330), (330, 440), (440, 560), (560, 670), (670, 840)):
        canvas.oval((x0, 516, x1, 584), "#f6f9fb")
    canvas.block((150, 556, 850, 590), "#f6f9fb")
    canvas.line([(500, 545), (500, 780)], "#6b7785", 22)
    canvas.disc(500, 204, 20, "#b5533c")
    return canvas.png()


def candle() -> bytes:
    canvas = _stage("#efe1e6", "#f8eff2", (300, 785, 700, 850))
    canvas.disc(500, 330, 120, "#fff3d670")
    canvas.shape(
        [*curve((500, 220), (560, 300), (560, 370), (500, 385)),
         *curve((500, 385), (440, 370), (440, 300), (500, 220))],
        "#f4a340",
    )  # fmt: skip
    canvas.shape(
        [*curve((500, 285), (530, 325), (530, 365), (500, 378)),
         *curve((500, 378), (470, 365), (470, 325), (500, 285))],
        "#fff0b8",
    )  # fmt: skip
    canvas.line([(500, 380), (500, 450)], "#5b4a4f", 12)
    canvas.block((310, 430, 690, 815), "#c9889b", 46)
    canvas.block((310, 430, 380, 815), LIGHT, 46, (True, False, False, True))
    canvas.oval((310, 400, 690, 480), "#e6b5c2")
    canvas.oval((345, 412, 655, 468), CREAM)
    canvas.line([(500, 390), (500, 440)], "#5b4a4f", 12)
    canvas.block((380, 570, 620, 730), CREAM, 16)
    canvas.shape(leaf(500, 700, 90, 30, 0), "#8f5f6d")
    canvas.shape(leaf(500, 700, 70, 24, -48), "#c9889b")
    canvas.shape(leaf(500, 700, 70, 24, 48), "#c9889b")
    return canvas.png()


def bottle() -> bytes:
    canvas = _stage("#d8e8e6", "#e7f2f0", (350, 810, 680, 866))
    canvas.block((380, 330, 620, 840), "#1f7a7a", 62)
    canvas.block((380, 360, 436, 840), LIGHT, 56, (False, False, False, True))
    canvas.block((572, 360, 620, 840), DARK, 40, (False, False, True, False))
    canvas.block((398, 280, 602, 360), "#dfe5e4", 20)
    canvas.block((410, 150, 590, 300), "#17494d", 40)
    canvas.block((410, 150, 456, 300), LIGHT, 40, (True, False, False, True))
    canvas.arc((450, 90, 550, 210), 180, 360, "#17494d", 26)
    for at, height in enumerate((0, 54, 108)):
        canvas.block((470, 520 + height, 530 - at * 6, 544 + height), "#9fe0d3", 12)
    return canvas.png()


GOODS: dict[str, Callable[[], bytes]] = {
    draw.__name__: draw
    for draw in (
        *(tea, teapot, mug, honey, headphones, keyboard),
        *(speaker, lamp, tote, umbrella, candle, bottle),
    )
}
