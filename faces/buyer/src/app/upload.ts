/** Sends a picture of the phone to the service. */

import { type Answer, LOST, readAnswer } from '@core/answers'
import type { Schemas } from '@core/api'

import { API } from './place'
import { api } from './services'

export type Evidence = Schemas['PictureView']

const MOST_MS = 60_000

/** The files that the buyer has chosen; none if they changed their mind. */
export function choosePictures(count: number): Promise<readonly string[]> {
  return new Promise((done) => {
    uni.chooseImage({
      count,
      sizeType: ['compressed'],
      success: ({ tempFilePaths }) =>
        done(typeof tempFilePaths === 'string' ? [tempFilePaths] : tempFilePaths),
      fail: () => done([]),
    })
  })
}

/** The same picture again is the same picture there: a lost answer may be repeated. */
export function sendEvidence(orderId: string, filePath: string): Promise<Answer<Evidence>> {
  const token = api.token()
  return new Promise((done) => {
    uni.uploadFile({
      url: `${API}/v1/orders/${encodeURIComponent(orderId)}/evidence`,
      filePath,
      name: 'file',
      header: token === null ? {} : { authorization: `Bearer ${token}` },
      timeout: MOST_MS,
      success: ({ statusCode, data }) =>
        done(readAnswer<Evidence>({ status: statusCode, headers: {}, text: data })),
      fail: () => done(LOST),
    })
  })
}
