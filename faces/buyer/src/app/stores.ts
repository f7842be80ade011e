/** Stores that hand out orders: nothing is asked of the person unless they want those near them. */

import type { Schemas } from '@core/api'
import { gcj02Of, type Spot } from '@core/orders/place'

import { api } from './services'

export type NearStore = Schemas['NearStore']

let canFindMe = false
// #ifdef H5
canFindMe = 'geolocation' in navigator
// #endif
/** In a mini-program WeChat would have to grant the shop an API of its own for this. */
export { canFindMe }

let areThere: boolean | null = null

/** As `hasStores`, as far as this phone has asked. */
export function knowsStores(): boolean {
  return areThere === true
}

/** Whether the shop has stores at all; false while nobody can say. */
export async function hasStores(): Promise<boolean> {
  if (areThere === null) {
    const found = await api.ask('get', '/v1/pickup-stores', { query: { limit: 1 } })
    if (found.kind === 'good') areThere = found.body.stores.length > 0
  }
  return areThere ?? false
}

/** Where this person is; null: the browser or the person does not say. Call it in a tap. */
export function whereAmI(): Promise<Spot | null> {
  return new Promise((done) => {
    // #ifdef H5
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => done(gcj02Of({ lat: coords.latitude, lng: coords.longitude })),
      () => done(null),
      { timeout: 10_000, maximumAge: 300_000 },
    )
    // #endif
    // #ifndef H5
    void gcj02Of
    done(null)
    // #endif
  })
}
