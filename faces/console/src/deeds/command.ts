/** The command line that does the same. What has no command of its own is a call of the API. */

import { askedOf } from '../api/client.ts'

const CALL = /^(GET|POST|PUT|PATCH|DELETE) (\S+)(?: (?:< (.+)|(.+)))?$/

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * `POST /v1/… {"a":1}` becomes `livesale call POST /v1/… '{"a":1}'`, and `< file` sends a file. A call
 * without a body gets the one that this page sent, and its key.
 */
export function commandLine(text: string): string {
  const found = CALL.exec(text)
  if (found === null) return text
  const [, method = '', path = '', file, given] = found
  if (file !== undefined) return `livesale call ${method} ${path} --file ${quoted(file)}`
  const sent = askedOf(method, path)
  const body = given ?? (sent?.body === '{}' ? '' : sent?.body) ?? ''
  const key = given === undefined && sent?.key ? ` --key ${sent.key}` : ''
  return `livesale call ${method} ${path}${body === '' ? '' : ` ${quoted(body)}`}${key}`
}
