import { expect, test } from 'vitest'

import { gcj02Of } from '../core/orders/place.ts'
import { qrPicture } from '../core/orders/qr.ts'

test('a place of GPS becomes one of a Chinese map; abroad nothing changes', () => {
  // The Tiananmen gate, as both systems have it.
  const found = gcj02Of({ lat: 39.90734, lng: 116.39089 })
  expect(found.lat).toBeCloseTo(39.90874, 4)
  expect(found.lng).toBeCloseTo(116.39713, 4)
  expect(gcj02Of({ lat: 48.85, lng: 2.35 })).toEqual({ lat: 48.85, lng: 2.35 })
})

test('a QR code is a picture of its own', () => {
  const picture = qrPicture('livesale-pickup:nanshan:0123456789')
  expect(picture).toMatch(/^data:image\/gif;base64,R0lGOD[A-Za-z0-9+/]+=*$/)
  expect(qrPicture('livesale-pickup:nanshan:0123456780')).not.toBe(picture)
  expect(picture.length).toBeLessThan(16_000)
})
