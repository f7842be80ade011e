/** Calls that the service may answer with a challenge. */

import type { Answer } from '../answers.ts'
import type { Stop } from '../platform.ts'
import type { Challenge } from './altcha.ts'
import type { Solver } from './solver.ts'

const CHALLENGES = 4 // of one call: a solution may come late, or its challenge has ended

/** Asks, solves the challenge that comes, and asks again. At a stop it returns the last answer. */
export async function askSolved<T>(
  ask: (altcha: string | null) => Promise<Answer<T>>,
  solver: Pick<Solver, 'solve'>,
  stop?: Stop,
): Promise<Answer<T>> {
  let answer = await ask(null)
  for (let tries = 0; tries < CHALLENGES && !stop?.isStopped(); tries += 1) {
    const challenge = answer.kind === 'problem' && answer.problem.challenge
    if (!challenge) return answer
    const solved = await solver.solve(challenge as unknown as Challenge, stop)
    if (solved.kind === 'stopped' || solved.kind === 'strange') return answer
    // A late or wrong solution is answered by a new challenge, as is none.
    const altcha = solved.kind === 'solved' ? solved.altcha : null
    answer = await ask(altcha)
    // The same solution has the same effect.
    if (answer.kind === 'lost' && altcha !== null) answer = await ask(altcha)
  }
  return answer
}
