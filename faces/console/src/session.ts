/** Who is here and what they may do, as the service says. */

import { computed, shallowRef } from 'vue'

import { answer, api, Refused, type Schemas, trust, whenSessionEnds } from './api/client.ts'

export type Session = Schemas['OwnSession']
export type Action = Session['actions'][number]

export const session = shallowRef<Session | null>(null)
/** It was here and has ended: the login says so. */
export const hasEnded = shallowRef(false)

const allowed = computed(() => new Set<string>(session.value?.actions ?? []))

export function may(action: Action): boolean {
  return allowed.value.has(action)
}

function enter(found: Session): void {
  trust(found.csrf ?? null)
  hasEnded.value = false
  session.value = found
}

function leave(): void {
  hasEnded.value = session.value !== null
  trust(null)
  session.value = null
}

whenSessionEnds(leave)

/** Take up the session of the cookie, if there is one. Throws Unanswered. */
export async function resume(): Promise<void> {
  try {
    enter(await answer(api.GET('/v1/operator/session')))
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault
  }
}

/** Throws Refused (login_refused, login_locked, slow_down), Unanswered. */
export async function enterByLink(link: string): Promise<void> {
  enter(await answer(api.POST('/v1/operator/session', { body: { link } })))
}

export async function enterByPassword(name: string, password: string, code: string): Promise<void> {
  enter(await answer(api.POST('/v1/operator/session', { body: { name, password, code } })))
}

export async function logOut(): Promise<void> {
  await answer(api.DELETE('/v1/operator/session'))
  leave()
  hasEnded.value = false
}
