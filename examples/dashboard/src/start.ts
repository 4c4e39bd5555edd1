/** `npm start -- dashboard`: everything in this process, or with REDIS_URL the nodes and the source of the figures as processes of their own, which are started again when they end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '1' } } })
const nodes = Number(values.nodes)
const first = Number(process.env.PORT || 3000)
/** The ports that are tried from one on; 0 is any. */
const portsFrom = (port: number) => (port === 0 ? [0] : Array.from({ length: 50 }, (_, i) => port + i))

if (!(nodes >= 1 && nodes <= 16))
  fail('Usage: npm start -- dashboard [--nodes N]     N from 1 to 16; several need REDIS_URL.')
if (nodes > 1 && !process.env.REDIS_URL) {
  fail(`--nodes ${nodes} needs REDIS_URL: nodes and source reach each other through Redis.

  REDIS_URL=redis://localhost:6379 npm start -- dashboard --nodes ${nodes}`)
}

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}

if (process.env.REDIS_URL) await runApart()
else await runHere()

async function runHere(): Promise<void> {
  const { serve } = await import('./server')
  const { port, close } = await serve(portsFrom(first))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void close().finally(() => process.exit()))
  }
  console.log(`Dashboard in memory (process ${process.pid}): http://localhost:${port}`)
  await import('./source')
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

  /** Starts a process, and again whenever it ends. */
  const start = (file: string, args: readonly number[], again: () => void): ChildProcess => {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), args.map(String))
    children.add(child)
    child.once('exit', () => {
      children.delete(child)
      if (!ending) setTimeout(again, 500)
    })
    return child
  }

  const startNode = (number: number, ports: readonly number[]): Promise<number> =>
    new Promise((resolve) => {
      let port: number | null = null
      // What never came up will not come up the next time either.
      const again = () => (port === null ? void end(1) : void startNode(number, [port]))
      const child = start('./node.js', ports, again)
      child.once('message', (message) => {
        port = Number(message)
        console.log(`Dashboard through Redis, node ${number} (process ${child.pid}): http://localhost:${port}`)
        resolve(port)
      })
    })

  const startSource = () => {
    const { pid } = start('./source.js', [], startSource)
    console.log(`Source: process ${pid}`)
  }

  startSource()
  let ports = portsFrom(first)
  for (let number = 1; number <= nodes; number++) {
    const port = await startNode(number, ports)
    if (first !== 0) ports = ports.filter((candidate) => candidate > port)
  }
}
