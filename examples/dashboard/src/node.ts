/** One node as a process of its own: forked by start.ts, told which ports to try, tells back which one it got. */
import { serve } from './server'

const { port, close } = await serve(process.argv.slice(2).map(Number))

const end = () => void close().finally(() => process.exit())
process.once('SIGTERM', end)
// The terminal tells all processes, the parent tells us again: once is enough, and it is the parent's.
process.on('SIGINT', () => {})
process.once('disconnect', end)
process.send?.(port)
