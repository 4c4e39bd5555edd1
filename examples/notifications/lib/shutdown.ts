/** At the end of the process: ends the streams of rt, which are open for minutes, and Next waits for each response. Loaded by instrumentation.ts. */
import { rt } from './realtime'

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void rt.close())
