/** `node compress.mjs FOLDER`: writes a `.br` and a `.gz` beside each file that shrinks. */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const TEXTS = /\.(css|html|js|json|svg)$/
const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY }

for (const entry of readdirSync(argv[2], { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXTS.test(entry.name)) continue
  const path = join(entry.parentPath, entry.name)
  const raw = readFileSync(path)
  const packed = [
    ['.br', brotliCompressSync(raw, { params: quality })],
    ['.gz', gzipSync(raw, { level: 9 })],
  ]
  for (const [suffix, bytes] of packed) {
    if (bytes.length < raw.length * 0.9) writeFileSync(path + suffix, bytes)
  }
}
