/** The lucky bag of a room on the screen: one visit at a time, for the bag that the room shows. */

import { type Ref, onUnmounted, shallowRef, watch } from 'vue'

import { BagVisit } from '@core/bags/visit'
import type { Said } from '@core/room/line'
import type { BagView } from '@core/room/messages'

import { platform } from './platform'
import { api, knownBags, logIn, ownerName } from './services'

/** The visit of the newest bag; another one when the bag or the buyer is another. */
export function useBagVisit(
  roomId: () => string,
  bag: () => BagView | null,
  speak: (text: string) => Promise<Said>,
): Readonly<Ref<BagVisit | null>> {
  const visit = shallowRef<BagVisit | null>(null)
  let owner = ''
  watch(
    [bag, ownerName],
    () => {
      const found = bag()
      if (found === null) return
      if (visit.value?.bagId === found.bag_id && owner === ownerName()) {
        visit.value.update(found)
        return
      }
      visit.value?.stop()
      owner = ownerName()
      const ports = { platform, api, known: knownBags(), say: speak, logIn }
      visit.value = new BagVisit(roomId(), found, ports)
    },
    { immediate: true },
  )
  onUnmounted(() => visit.value?.stop())
  return visit
}
