/** A QR code as an address that every image element shows, in browsers and in mini-programs. */

import encodeQR from 'qr'

import { toBase64 } from '../bytes.ts'

const SCALE = 3 // points of the picture for each square: it travels to the page as text
const BORDER = 2 // squares

export function qrPicture(text: string): string {
  const gif = encodeQR(text, 'gif', { ecc: 'medium', border: BORDER, scale: SCALE })
  return `data:image/gif;base64,${toBase64(gif)}`
}
