/**
 * The secret of a login link, taken out of the address so that no history keeps it.
 *
 * Import it before the router, which rewrites an address that it does not know.
 */

const found = /^#login=([A-Za-z0-9_-]{43})$/.exec(window.location.hash)
if (found !== null) window.history.replaceState(null, '', `${window.location.pathname}#/`)

export const link: string | null = found?.[1] ?? null
