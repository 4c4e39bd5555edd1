/** One server under test, `node server.mjs <kind> [redis url]`; started and asked by run.mjs. */
import { message } from './payload.mjs'
import { answer } from './process.mjs'

const [kind, redis] = process.argv.slice(2)
const { start } = await import(`./kinds/${kind}.mjs`)
/** `send(messages)`: hands all of one tick to the server under test, in one turn. */
const { port, send } = await start({ redis })

let before = null

answer({
  port: () => port,

  /** Sends `burst` messages on each of `ticks` ticks, `interval` milliseconds apart. Resolves behind the last. */
  publish: ({ first, ticks, burst, interval }) =>
    new Promise((resolve) => {
      let tick = 0
      const timer = setInterval(() => {
        send(Array.from({ length: burst }, (_, i) => message(first + tick * burst + i)))
        if (++tick < ticks) return
        clearInterval(timer)
        resolve(null)
      }, interval)
    }),

  startCounting() {
    globalThis.gc?.()
    before = process.cpuUsage()
    return null
  },

  /** Microseconds that this process used since `startCounting`. */
  stopCounting() {
    const { user, system } = process.cpuUsage(before)
    return { user, system, rss: process.memoryUsage.rss() }
  },
})
