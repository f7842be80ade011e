import fc from 'fast-check'
import { expect, test } from 'vitest'

import { expectTrue } from './truth.ts'
import { openViewer } from './viewer.ts'

const acts = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 40_000 }),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant('change' as const) },
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          ...(['cut', 'restart', 'down', 'up', 'hide', 'show', 'lose', 'slow', 'fast'] as const),
        ),
      },
    ),
    fc.nat(13),
    fc.nat(99),
  ),
  { maxLength: 60 },
)

test('after any faults, by socket or poll, the screen is what the room is', async () => {
  await fc.assert(
    fc.asyncProperty(acts, fc.boolean(), async (plan, noSockets) => {
      // Given a viewer, and a network and a phone with faults
      const { world, room, channel, screen, link } = openViewer({ noSockets })
      link.state.watch(({ shown }) => {
        if (shown !== null) expectTrue(room, shown)
      })
      for (const [at, act, choice, number] of plan) {
        world.after(at, () => {
          if (act === 'change') room.change(choice, number)
          else if (act === 'cut') channel.cut(1006, '')
          else if (act === 'restart') channel.cut(1012, '{"reason":"restart","retry_ms":300}')
          else if (act === 'down' || act === 'up') channel.isDown = act === 'down'
          else if (act === 'hide') screen.hide()
          else if (act === 'show') screen.show()
          else if (act === 'lose') room.lose()
          else channel.delayMs = act === 'slow' ? 3_000 : 10
        })
      }
      await world.runUntil(40_001)

      // When the network works again, and the phone is shown
      Object.assign(channel, { isDown: false, delayMs: 10 })
      if (!screen.isShown()) screen.show()
      await world.run(120_000)

      // Then the screen has the newest event, and there was never a second line
      const { standing, shown } = link.state.get()
      expect(standing).toBe('live')
      expect(shown?.place).toMatchObject({ epoch: room.epoch, offset: room.offset })
      expect(channel.mostLive).toBe(1)
    }),
    { numRuns: Number(process.env['FACES_RUNS'] ?? 1_000) },
  )
})
