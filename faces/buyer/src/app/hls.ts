/** hls.js under a name of ours: its chunk has this name, and none that begins with a dot. */

export { default } from 'hls.js/light'
