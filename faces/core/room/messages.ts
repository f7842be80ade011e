/** What a room's channel sends and reads, with the types of the service's AsyncAPI document. */

import type { components } from '../../types/messages.ts'

type Schemas = components['schemas']

export type RoomView = Schemas['RoomView']
export type ItemView = Schemas['ItemView']
export type DropView = Schemas['DropView']
export type PeopleView = Schemas['PeopleView']
export type CommentView = Schemas['CommentView']
export type BagView = Schemas['BagView']

export type Snapshot = Schemas['SnapshotView']
export type Hello = Schemas['Hello']
export type Message = Schemas['Sent']
/** A numbered event: only events say when they happened. */
export type RoomEvent = Numbered<Message>
/** A message to this viewer only, such as the answer to a frame. */
export type Answered = Exclude<Message, Hello | Snapshot | RoomEvent>
/** What happened to the buyer's own things: the private channel. */
export type Mine = Schemas['OwnNotices']
export type Frame = Schemas['Read']

type Numbered<T> = T extends unknown ? ('at_ms' extends keyof T ? T : never) : never

/** Null for what no service of ours sends. */
export function readMessage(text: string): Message | null {
  try {
    const found = JSON.parse(text) as Message | null
    return found !== null && typeof found === 'object' && typeof found.type === 'string'
      ? found
      : null
  } catch {
    return null
  }
}

/** Also one that this face does not know: it has a number, too. */
export function isEvent(message: Message): message is RoomEvent {
  if (message.type === 'hello' || message.type === 'snapshot') return false
  return typeof (message as { readonly offset?: unknown }).offset === 'number'
}
