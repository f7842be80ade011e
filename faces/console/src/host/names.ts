/** What people of a room are called. */

import { t } from '../texts/texts.ts'

interface Person {
  readonly person_id: string
  readonly nickname?: string | null
}

export function nameOf(person: Person): string {
  return person.nickname || t('host.viewer', { id: person.person_id.slice(0, 4) })
}
