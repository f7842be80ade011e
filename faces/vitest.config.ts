import { defineConfig } from 'vitest/config'

// Not isolated: no test leaves anything behind, and a worker a file costs as much as the tests.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    reporters: ['dot'],
    pool: 'threads',
    isolate: false,
  },
})
