/** Where the service is: the page's own origin, or what `livesale mini-program` has written. */

import { API_ADDRESS } from '@/config'

let address: string = API_ADDRESS
// #ifdef H5
address = location.origin
// #endif

export const API = address
export const SOCKETS = address.replace(/^http/, 'ws')
