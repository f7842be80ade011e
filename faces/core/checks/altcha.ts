/**
 * Solves ALTCHA's proof of work (v2) without WebCrypto, which mini-programs lack.
 *
 * The counter that gives the wanted key lies between half and one and a half of the difficulty; one
 * try is a PBKDF2 of a few hundred rounds. Between slices it pauses, so that the screen lives, also
 * where no worker is at hand.
 */

import { pbkdf2 } from '@noble/hashes/pbkdf2.js'
import { sha256 } from '@noble/hashes/sha2.js'

import { ascii, asciiJson, fromHex, toBase64, toHex } from '../bytes.ts'

export interface Challenge {
  readonly parameters: {
    readonly algorithm: string
    /** In seconds; the solution is late after it. */
    readonly expiresAt?: number
    readonly cost: number
    readonly keyLength: number
    readonly keyPrefix: string
    readonly nonce: string
    readonly salt: string
  }
  readonly signature?: string
}

export interface Work {
  /** The time, to know how long a slice took. */
  now(): number
  pause(): Promise<void>
  /** Whether somebody still waits for the solution. */
  wanted(): boolean
  /** How many tries failed before it was solved. */
  solved?(counter: number): void
}

const ALGORITHM = 'PBKDF2/SHA-256'
const SLICE_MS = 30
const MOST = 2_000_000 // more than the service ever asks for

/**
 * The solution, as the service takes it in `altcha`. Null: nobody wanted it any more, or the
 * challenge is of a kind that this face does not know.
 */
export async function solve(challenge: Challenge, work: Work): Promise<string | null> {
  const { parameters } = challenge
  const nonce = fromHex(parameters.nonce)
  const salt = fromHex(parameters.salt)
  const prefix = parameters.keyPrefix.toLowerCase()
  if (parameters.algorithm !== ALGORITHM || nonce === null || salt === null) return null
  const password = new Uint8Array(nonce.length + 4)
  password.set(nonce)
  const last = new DataView(password.buffer, nonce.length)
  const options = { c: parameters.cost, dkLen: parameters.keyLength }
  const began = work.now()
  let sliceEnds = began + SLICE_MS
  for (let counter = 0; counter < MOST; counter += 1) {
    last.setUint32(0, counter)
    const key = toHex(pbkdf2(sha256, password, salt, options))
    if (key.startsWith(prefix)) {
      work.solved?.(counter)
      const time = Math.round(work.now() - began)
      const solution = { counter, derivedKey: key, time }
      return toBase64(ascii(asciiJson({ challenge, solution })))
    }
    if (work.now() >= sliceEnds) {
      await work.pause()
      if (!work.wanted()) return null
      sliceEnds = work.now() + SLICE_MS
    }
  }
  return null
}
