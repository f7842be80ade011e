/** The address of a picture in the size that a place needs. No I/O. */

import type { Schemas } from '../api.ts'

export type Picture = Pick<Schemas['ShownPicture'], 'url' | 'sizes'>
export type Size = 'thumb' | 'medium' | 'large'

/** Every picture can be had as JPEG; WebP is smaller. */
export function sourceOf(picture: Picture, size: Size, base: string, isWebp: boolean): string {
  const file = picture.sizes?.[size]
  const found = file === undefined ? picture.url : isWebp ? file.webp : file.jpeg
  return found.startsWith('/') ? base + found : found
}
