/** A code as people read it aloud: in groups. No I/O. */

export function spaced(code: string): string {
  return code.replace(/(.{5})(?=.)/g, '$1 ')
}
