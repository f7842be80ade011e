/** A worker of WeChat: a realm with the language and `worker`, on a thread of its own. */

import { readFileSync } from 'node:fs'
import vm from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'

const { file } = workerData as { file: string }
const runs: ((message: unknown) => void)[] = []
const context = vm.createContext({
  worker: {
    onMessage: (run: (message: unknown) => void) => runs.push(run),
    postMessage: (message: unknown) => parentPort?.postMessage(JSON.parse(JSON.stringify(message))),
  },
})
vm.runInContext(readFileSync(file, 'utf8'), context, { filename: file })
parentPort?.on('message', (message: unknown) => {
  const own = vm.runInContext(`(${JSON.stringify(message)})`, context) as unknown
  for (const run of runs) run(own)
})
