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
export type Answered =
  | Schemas['Welcome']
  | Schemas['Pong']
  | Schemas['Commented']
  | Schemas['Failed']
export type Message = Schemas['Sent']
/** A numbered event. */
export type RoomEvent = Exclude<Message, Hello | Snapshot | Answered>
export type Frame = Schemas['Read']

const ANSWERS = new Set(['welcome', 'pong', 'commented', 'error'])

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

export function isAnswer(message: Message): message is Answered {
  return ANSWERS.has(message.type)
}

export function isEvent(message: Message): message is RoomEvent {
  return message.type !== 'hello' && message.type !== 'snapshot' && !isAnswer(message)
}
