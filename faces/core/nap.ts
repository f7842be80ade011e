import type { Platform } from './platform.ts'

/** A wait that ends early when the app is shown again, or by `wake`. One at a time. */
export class Nap {
  private end: () => void = () => {}

  constructor(private readonly platform: Pick<Platform, 'timers' | 'visibility'>) {}

  sleep(ms: number): Promise<void> {
    return new Promise((resume) => {
      const end = (): void => {
        cancel()
        unwatch()
        this.end = () => {}
        resume()
      }
      const cancel = this.platform.timers.after(ms, end)
      const unwatch = this.platform.visibility.onShow(end)
      this.end = end
    })
  }

  wake(): void {
    this.end()
  }
}
