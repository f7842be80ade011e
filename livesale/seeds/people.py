"""The people of the seeded shop: who they are, where they live, and what they say. Data only."""

from msgspec import Struct

from livesale.identity.buyer_ids import dev_buyer_id
from livesale.orders.addresses.form import AddressForm

HOST = dev_buyer_id("host")
HOST_NAME = "阿茶 Cha"


class Person(Struct, frozen=True):
    """`name` is their login in dev, and their drawing."""

    name: str
    nickname: str

    @property
    def buyer_id(self) -> str:
        return dev_buyer_id(self.name)


PEOPLE = (
    Person("ann", "小安 Ann"),
    Person("bo", "阿博"),
    Person("chen", "陈橙子"),
    Person("dai", "Dai"),
    Person("eva", "Eva 伊娃"),
    Person("fei", "飞鱼"),
    Person("gao", "老高"),
    Person("hua", "花花"),
)
ANN, BO, CHEN, DAI, EVA, FEI, GAO, HUA = PEOPLE

HOMES = {
    "ann": AddressForm(
        "安宁", "13800138000", "浙江省", "杭州市", "文三路 18 号 3 幢 502", "西湖区"
    ),
    "bo": AddressForm("林博", "13900139001", "上海市", "上海市", "衡山路 77 弄 6 号", "徐汇区"),
    "chen": AddressForm("陈橙", "13700137002", "广东省", "深圳市", "科技园路 1 号", "南山区"),
    "eva": AddressForm("周伊", "13600136003", "四川省", "成都市", "玉林西路 22 号", "武侯区"),
}

# What viewers say, by what the host explains.
ABOUT_TEA = (
    "香味隔着屏幕都闻到了 🍵",
    "明前茶这个价可以啊",
    "Is it this year's harvest?",
    "去年买过，回购！",
    "抢到了抢到了！",
    "手慢了，等放出来",
    "How many grams in a tin?",
    "给我爸买的，他只喝龙井",
    "Got one! 谢谢主播",
    "没付款的会放回来吗？",
)
ABOUT_SOUND = (
    "通勤用降噪够不够？",
    "40 hours, really?",
    "眼镜党戴着夹头吗",
    "颜色好看",
    "能折叠太好了",
    "Does it work with two phones?",
)
ABOUT_POT = (
    "这个釉色绝了",
    "320 ml 两个人刚好",
    "Beautiful glaze!",
    "整点再来一波？",
    "水流断得干净吗",
)
ANYTIME = (
    "晚上好呀 👋",
    "第一次来，关注了",
    "主播声音好听",
    "Hello from Chengdu",
    "包邮吗？",
    "发货快，上次两天就到",
    "福袋什么时候开",
    "来了来了",
    "Good evening everyone",
    "客服回复很快，赞",
    "什么时候上新杯子",
    "今天氛围真好",
)
THANKS = ("恭喜恭喜", "差一点 😂", "Lucky!", "下一轮再来")
PHRASE = "阿茶发福袋"

# What the host says.
SAYS_TEA = "大家晚上好，先看明前龙井：头采，一百克，直播间九折。Tea first: this spring's Longjing."
SAYS_SOLD_OUT = "第一波抢完了！没付款的一分钟后会放回来，别走开。Unpaid ones come back in a minute."
SAYS_BAG = "发个福袋，{how}，四十五秒后开奖。A lucky bag: the draw is in 45 seconds."
HOW_PHRASE = f"评论“{PHRASE}”就能参加"
HOW_FREE = "点一下就能参加"
SAYS_SOUND = "通勤的朋友看这副降噪耳机，四十小时续航，拍两件也行。Headphones for your commute."
SAYS_DRAWN = "恭喜抽中的朋友！开奖可以自己在手机上验算。Anybody can check the draw."
SAYS_POT = "青瓷茶壶，整点一波，十秒后开抢！Celadon teapots: ten seconds!"
SAYS_MUG = "这只手作马克杯可以先加购，下周开团。The mug comes next week."
SAYS_AGAIN = "龙井补货了，再来一轮。More tea for the next round."
