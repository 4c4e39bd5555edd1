/** At the end of the process: ends the streams of rt, which are open for minutes, and Next waits for each response. Loaded by instrumentation.ts. */
import { rt } from './realtime'

/** Milliseconds for the app's other requests. Pages that come back on connections which are open would hold the process for longer. */
const GRACE = 2000

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void rt.close()
    setTimeout(() => process.exit(), GRACE)
  })
}
