/** What the start page shows: rooms, and the drops of campaigns that are not over. */

import { type ShallowRef, shallowRef } from 'vue'

import type { Schemas } from '@core/api'
import { type Drop, isForSale } from '@core/goods/sales'

import { api, goods } from './services'

type Room = Schemas['ListedRoom']

const CAMPAIGNS = 8 // whose drops the page shows

export interface Home {
  /** Null before the first answer. */
  readonly rooms: ShallowRef<readonly Room[] | null>
  readonly drops: ShallowRef<readonly Drop[] | null>
  readonly isLost: ShallowRef<boolean>
  load(): Promise<void>
}

export function makeHome(): Home {
  const rooms = shallowRef<readonly Room[] | null>(null)
  const drops = shallowRef<readonly Drop[] | null>(null)
  const isLost = shallowRef(false)
  let round = 0

  async function loadRooms(): Promise<boolean> {
    const found = await api.ask('get', '/v1/rooms', {
      query: { states: 'live,paused,scheduled', limit: 30 },
    })
    if (found.kind !== 'good') return false
    rooms.value = [...found.body.rooms].sort((a, b) => rank(a) - rank(b))
    return true
  }

  async function loadDrops(): Promise<boolean> {
    const sales = await api.ask('get', '/v1/campaigns')
    if (sales.kind !== 'good') return false
    const found = await Promise.all(
      sales.body.campaigns.slice(0, CAMPAIGNS).map(({ campaign_id }) =>
        api.ask('get', '/v1/campaigns/{campaign_id}', { path: { campaign_id } }),
      ),
    )
    if (found.some(({ kind }) => kind === 'lost')) return false
    drops.value = found.flatMap((one) =>
      one.kind === 'good' ? one.body.drops.filter(isForSale) : [],
    )
    void goods.want(drops.value.map(({ drop_id }) => drop_id))
    return true
  }

  return {
    rooms,
    drops,
    isLost,
    async load() {
      const mine = (round += 1)
      const came = await Promise.all([loadRooms(), loadDrops()])
      if (mine === round) isLost.value = came.includes(false)
    },
  }
}

function rank(room: Room): number {
  return room.state === 'scheduled' ? 1 : 0
}
