/** Why something did not work, for people. */

import { advise } from '@core/problems/problems.ts'

import { Refused, Unanswered } from '../api/client.ts'
import { language, t } from '../texts/texts.ts'

export function explain(fault: unknown): string {
  if (fault instanceof Refused) {
    const { problem } = fault
    if (problem.code === 'forbidden') return t('refused.forbidden')
    const text = advise(problem, language.value).text
    return problem.detail ? `${text} ${problem.detail} (${problem.code})` : `${text} (${problem.code})`
  }
  if (fault instanceof Unanswered) return t('unanswered')
  return fault instanceof Error ? fault.message : String(fault)
}
