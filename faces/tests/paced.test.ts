import { expect, test } from 'vitest'

import { Cell } from '../core/cell.ts'
import { Paced } from '../core/paced.ts'
import { Run, World } from './twins/world.ts'

test('two hundred changes in ten seconds are drawn four times a second at most, the last always', async () => {
  const world = new World()
  const source = new Cell(0)
  const paced = new Paced(source, new Run(world), 250)
  const drawn: { at: number; value: number }[] = []
  paced.watch((value) => drawn.push({ at: world.now, value }))
  for (let number = 1; number <= 200; number += 1) {
    world.after(number * 50, () => source.set(number))
  }
  await world.run(11_000)
  expect(drawn.at(-1)?.value).toBe(200)
  for (const { at } of drawn) {
    const within = drawn.filter((one) => one.at >= at && one.at < at + 1_000)
    expect(within.length).toBeLessThanOrEqual(4)
  }
})

test('after a quiet time a change is drawn at once; nothing is drawn after the end', async () => {
  const world = new World()
  const source = new Cell('')
  const paced = new Paced(source, new Run(world), 250)
  await world.run(5_000)
  source.set('now')
  await world.run(1)
  expect(paced.get()).toBe('now')
  source.set('late')
  paced.stop()
  await world.run(1_000)
  expect(paced.get()).toBe('now')
})
