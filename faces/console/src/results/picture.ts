/** The results as a picture to share: painted on a canvas, for no text of it is HTML. */

import { saveFile } from '../parts/save.ts'
import { colour } from '../theme.ts'

export interface Figure {
  readonly label: string
  readonly value: string
}
export interface Bar {
  readonly label: string
  readonly value: number
  readonly text: string
}

const WIDTH = 1200
const EDGE = 56
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'

/** Cut at the end, so that it fits. */
function fit(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text
  const letters = [...text]
  while (letters.length > 1 && pen.measureText(`${letters.join('')}…`).width > width) letters.pop()
  return `${letters.join('')}…`
}

export function paint(title: string, under: string, figures: readonly Figure[], bars: readonly Bar[], chart: HTMLCanvasElement | null): HTMLCanvasElement {
  const inner = WIDTH - 2 * EDGE
  const chartHeight = chart === null ? 0 : Math.round((inner * chart.height) / chart.width)
  const barsHeight = bars.length * 40 + 16
  const canvas = document.createElement('canvas')
  canvas.width = WIDTH
  canvas.height = 150 + 130 + chartHeight + 24 + barsHeight + 56
  const pen = canvas.getContext('2d')
  if (pen === null) return canvas
  const write = (text: string, x: number, y: number, size: number, tint: string, weight = 400, width = inner): void => {
    pen.font = `${weight} ${size}px ${FONT}`
    pen.fillStyle = colour(tint)
    pen.fillText(fit(pen, text, width), x, y)
  }
  pen.textBaseline = 'alphabetic'
  pen.fillStyle = colour('panel')
  pen.fillRect(0, 0, canvas.width, canvas.height)
  write(title, EDGE, 88, 42, 'ink', 700)
  write(under, EDGE, 126, 20, 'dim')
  const each = inner / Math.max(1, figures.length)
  figures.forEach((figure, at) => {
    write(figure.value, EDGE + at * each, 206, 40, 'ink', 700, each - 16)
    write(figure.label, EDGE + at * each, 238, 18, 'dim', 400, each - 16)
  })
  if (chart !== null) pen.drawImage(chart, EDGE, 280, inner, chartHeight)
  const most = Math.max(1, ...bars.map((bar) => bar.value))
  bars.forEach((bar, at) => {
    const y = 280 + chartHeight + 24 + at * 40
    write(bar.label, EDGE, y + 24, 18, 'dim', 400, 150)
    pen.fillStyle = colour(at === bars.length - 1 ? 'sold' : 'left')
    pen.fillRect(EDGE + 164, y + 6, Math.max(3, ((inner - 320) * bar.value) / most), 26)
    write(bar.text, EDGE + 176 + Math.max(3, ((inner - 320) * bar.value) / most), y + 26, 20, 'ink', 600, 220)
  })
  write('livesale', WIDTH - EDGE - 84, canvas.height - 28, 20, 'faint', 700)
  return canvas
}

/** Save a canvas as a file. */
export async function save(canvas: HTMLCanvasElement, name: string): Promise<void> {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'))
  if (blob === null) throw new Error('The browser made no picture.')
  saveFile(blob, name)
}
