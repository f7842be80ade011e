/** Asks until the service has answered: for calls that may be repeated. */

import type { Answer, Good, Refused } from './answers.ts'
import { RETRY, backoffMs } from './backoff.ts'
import type { Nap } from './nap.ts'
import type { Chance } from './platform.ts'

export interface InsistPorts {
  readonly nap: Nap
  readonly chance: Chance
  readonly logIn: () => Promise<boolean>
  readonly isStopped: () => boolean
}

const LOGINS = 2

/** An answer, or a refusal that says no. Null: nobody waits any more. */
export async function insist<T>(
  ask: () => Promise<Answer<T>>,
  { nap, chance, logIn, isStopped }: InsistPorts,
): Promise<Good<T> | Refused | null> {
  let logins = 0
  for (let number = 1; !isStopped(); number += 1) {
    const answer = await ask()
    if (isStopped()) return null
    if (answer.kind === 'good') return answer
    if (answer.kind === 'problem') {
      const { status } = answer
      if (status === 401 && logins < LOGINS) {
        logins += 1
        if (await logIn()) continue
        return answer
      }
      if (status < 500 && status !== 429) return answer
    }
    const atLeast = answer.kind === 'problem' ? answer.waitMs : 0
    await nap.sleep(backoffMs(RETRY, number, chance, atLeast))
  }
  return null
}
