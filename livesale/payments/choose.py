"""The payment gateway of the settings."""

from livesale.payments.gateway import PayGateway
from livesale.payments.simulated import SimulatedGateway
from livesale.payments.wechat.gateway import WeChatPay
from livesale.resources import Deployment
from livesale.settings.wechat_keys import load_keys
from livesale.wechat.client import Bounds


def make_gateway(deployment: Deployment) -> PayGateway:
    """Raises Refused if keys are missing or malformed."""
    settings = deployment.settings
    if settings.payments.gateway == "simulated":
        return SimulatedGateway(deployment.redis)
    bounds = Bounds(settings.limits.outside_at_once, settings.limits.outside_per_s)
    proxy = settings.wechat.proxy.get_secret_value()
    return WeChatPay(
        settings.wechatpay,
        load_keys(settings),
        account_appid=settings.official_account.appid,
        bounds=bounds,
        proxy=proxy,
    )
