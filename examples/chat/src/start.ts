/** `npm start`: runs one node in this process, or several as processes of their own, says where they are, and ends them with itself. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** How many ports are tried from the wanted one on. */
const PORTS = 50
/** Milliseconds until a node that ended is started again. */
const RESTART_AFTER = 1000

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}

function readNodes(): number {
  try {
    const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1' } } })
    if (/^([1-9]|1[0-6])$/.test(values.nodes)) return Number(values.nodes)
  } catch {}
  return fail('Usage: npm start -- [--nodes N]     N from 1 to 16; several need REDIS_URL. PORT sets the first port.')
}

function readPort(): number {
  const port = process.env.PORT || '3000'
  if (/^\d{1,5}$/.test(port) && Number(port) < 65_536) return Number(port)
  return fail(`PORT=${port} is no port: a number from 0 to 65535 is (0: any that is free).`)
}

const portsFrom = (port: number) =>
  port === 0 ? [0] : Array.from({ length: Math.min(PORTS, 65_536 - port) }, (_, i) => port + i)

const urlOf = (port: number) => `http://localhost:${port}`

const nodes = readNodes()
const first = readPort()

if (nodes > 1 && !process.env.REDIS_URL) {
  fail(`--nodes ${nodes} needs REDIS_URL: nodes reach each other through Redis. In memory each would be a chat of its own.

  docker run --rm -p 6379:6379 redis:7        (or: redis-server)
  REDIS_URL=redis://localhost:6379 npm start -- --nodes ${nodes}`)
}

const where = process.env.REDIS_URL ? 'through Redis' : 'in memory'
if (nodes === 1) await runHere()
else await runApart()

async function runHere(): Promise<void> {
  const { serve } = await import('./server')
  const { port, close } = await serve(portsFrom(first))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void close().finally(() => process.exit()))
  }
  console.log(`Chat ${where}: ${urlOf(port)}`)
}

async function runApart(): Promise<void> {
  const children = new Set<ChildProcess>()
  let ending = false

  const end = async (code: number) => {
    if (ending) return
    ending = true
    const gone = [...children].map((child) => once(child, 'exit'))
    for (const child of children) child.kill()
    await Promise.all(gone)
    process.exit(code)
  }
  process.on('SIGTERM', () => void end(0))
  process.on('SIGINT', () => void end(0))

  /** Starts a node, and again whenever it ends, at the port it had. Resolves with the port. */
  const start = (number: number, ports: readonly number[]): Promise<number> =>
    new Promise((resolve) => {
      let port: number | null = null
      const child = fork(fileURLToPath(new URL('./node.js', import.meta.url)), ports.map(String), {
        env: { ...process.env, CHAT_NODE: String(number) },
      })
      children.add(child)
      child.once('message', (message) => {
        port = Number(message)
        console.log(`Chat ${where}, node ${number} (process ${child.pid}): ${urlOf(port)}`)
        resolve(port)
      })
      child.once('exit', (code, signal) => {
        children.delete(child)
        if (ending) return
        console.log(`Node ${number} (process ${child.pid}) ended: ${signal ?? `code ${code}`}.`)
        // What never came up will not come up the next time either.
        if (port === null) void end(1)
        else setTimeout(() => ending || void start(number, [port as number]), RESTART_AFTER)
      })
    })

  let ports = portsFrom(first)
  for (let number = 1; number <= nodes; number++) {
    const port = await start(number, ports)
    if (first !== 0) ports = ports.filter((candidate) => candidate > port)
  }
}
