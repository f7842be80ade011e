/** Where the service is: the page's own origin, or what `livesale mini-program` writes here. */

let address = 'https://api.livesale.invalid'
// #ifdef H5
address = location.origin
// #endif

export const API = address
export const SOCKETS = address.replace(/^http/, 'ws')
