/** Where the figures come from: publishes each about twice a second. A process of its own with REDIS_URL (start.ts), else a part of the server's. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Figure, figures, next } from './figures'
import { rt } from './realtime'

// Nobody would start it again or end it.
process.once('disconnect', () => process.exit())

for (const figure of figures) void measure(figure)

async function measure(figure: Figure): Promise<void> {
  // A source that was started again goes on from where the last one was.
  let last = await attempt(async () => (await rt.history(`figure:${figure.id}`, { last: 1 })).at(-1)?.data)
  for (;;) {
    const data = { value: next(figure, last?.value ?? figure.middle), nth: (last?.nth ?? 0) + 1 }
    await attempt(() => rt.publish(`figure:${figure.id}`, data))
    last = data
    await pause(300 + Math.random() * 400)
  }
}

/** Again until it works: Redis may be away. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch {
      await pause(1000)
    }
  }
}
