/** The moving picture in browsers: their own HLS first, else hls.js, which is loaded only then. */

// #ifdef H5
export interface PlayerEvents {
  /** A new picture was seen. */
  moved(): void
  failed(): void
  /** The browser wants a tap first. */
  blocked(): void
}

export interface Player {
  play(): void
  mute(isMuted: boolean): void
  stop(): void
}

const HLS = 'application/vnd.apple.mpegurl'
/** Some browsers say that they play HLS, and give up on streams that others play. */
let doesOwnFail = false

export function playHls(place: Element, url: string, events: PlayerEvents): Player {
  const video = document.createElement('video')
  video.muted = true
  video.autoplay = true
  video.playsInline = true
  video.setAttribute('webkit-playsinline', '')
  video.setAttribute('x5-video-player-type', 'h5-page') // in the page, not above it
  video.setAttribute('aria-hidden', 'true')
  video.tabIndex = -1
  place.replaceChildren(video)

  let isOver = false
  let stopHls = (): void => {}
  let seen = 0
  video.addEventListener('timeupdate', () => {
    if (isOver || video.currentTime <= seen) return
    seen = video.currentTime
    events.moved()
  })
  const fail = (): void => {
    if (!isOver) events.failed()
  }
  const play = (): void => {
    video.play().catch((error: unknown) => {
      if (!isOver && error instanceof DOMException && error.name === 'NotAllowedError') {
        events.blocked()
      }
    })
  }
  const useHls = async (): Promise<void> => {
    const { default: Hls } = await import('./hls')
    if (isOver) return
    if (!Hls.isSupported()) return fail()
    // Without a worker: its script would be a blob, which the page's policy refuses.
    const hls = new Hls({ enableWorker: false, liveSyncDurationCount: 2, backBufferLength: 10 })
    stopHls = () => hls.destroy()
    hls.on(Hls.Events.ERROR, (_, { fatal }) => {
      if (fatal) fail()
    })
    hls.loadSource(url)
    hls.attachMedia(video)
    play()
  }
  if (video.canPlayType(HLS) && !doesOwnFail) {
    let isOwn = true
    video.addEventListener('error', () => {
      if (isOver) return
      if (!isOwn) return fail()
      isOwn = false
      doesOwnFail = true
      video.removeAttribute('src')
      video.load()
      void useHls().catch(fail)
    })
    video.src = url
    play()
  } else {
    video.addEventListener('error', fail)
    void useHls().catch(fail)
  }
  video.addEventListener('ended', fail)

  return {
    play,
    mute: (isMuted) => (video.muted = isMuted),
    stop: () => {
      isOver = true
      stopHls()
      video.removeAttribute('src')
      video.load()
      video.remove()
    },
  }
}
// #endif
