/** The ways between pages. */

export function toHome(): void {
  void uni.switchTab({ url: '/pages/home/index' })
}

export function toGoods(): void {
  void uni.switchTab({ url: '/pages/goods/index' })
}

export function toMe(): void {
  void uni.switchTab({ url: '/pages/me/index' })
}

export function toDrop(dropId: string): void {
  void uni.navigateTo({ url: `/pages/drop/index?id=${dropId}` })
}

export function toProduct(productId: string): void {
  void uni.navigateTo({ url: `/pages/product/index?id=${productId}` })
}

export function toRoom(roomId: string): void {
  void uni.navigateTo({ url: `/pages/room/index?id=${roomId}` })
}

export function toOrders(): void {
  void uni.navigateTo({ url: '/pages/orders/index' })
}

/** An order, or the hold that becomes one: they have the same id. */
export function toOrderOf(orderId: string): void {
  void uni.navigateTo({ url: `/pages/order/index?id=${orderId}` })
}
