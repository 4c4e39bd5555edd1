/** `npm start -- cursors`: starts the nodes and the robots as processes of their own, and ends them with itself. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const usage =
  'Usage: npm start -- cursors [--nodes N] [--robots N]     1 to 16 nodes; several need REDIS_URL. 0 to 100 robots.'

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}

function readArgs(): { readonly nodes: number; readonly robots: number } {
  try {
    const options = { nodes: { type: 'string', default: '1' }, robots: { type: 'string', default: '6' } } as const
    const { values } = parseArgs({ options })
    const [nodes, robots] = [Number(values.nodes), Number(values.robots)]
    const whole = Number.isInteger(nodes) && Number.isInteger(robots)
    if (whole && nodes >= 1 && nodes <= 16 && robots >= 0 && robots <= 100) return { nodes, robots }
  } catch {}
  return fail(usage)
}

const { nodes, robots } = readArgs()
if (nodes > 1 && !process.env.REDIS_URL) {
  fail(`--nodes ${nodes} needs REDIS_URL: nodes reach each other through Redis. In memory each would be a board of its own.

  REDIS_URL=redis://localhost:6379 npm start -- cursors --nodes ${nodes}`)
}

const children = new Set<ChildProcess>()

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, args, { env: { ...process.env, ...env } })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

let ending = false
async function end(code: number): Promise<void> {
  if (ending) return
  ending = true
  const gone = [...children].map((child) => once(child, 'exit'))
  for (const child of children) child.kill()
  await Promise.all(gone)
  process.exit(code)
}
process.on('SIGTERM', () => void end(0))
process.on('SIGINT', () => void end(0))

/** Starts a node, and again at the same port whenever it ends. Resolves with its address. */
function startNode(node: number, port = process.env.PORT): Promise<string> {
  return new Promise((resolve) => {
    const child = run('./server.js', [], { NODE: String(node), ...(port !== undefined && { PORT: port }) })
    let url: string | null = null
    child.once('message', (told) => {
      url = String(told)
      resolve(url)
    })
    child.once('exit', () => {
      // What never came up has said why.
      if (url === null) void end(1)
      else if (!ending) void startNode(node, new URL(url).port)
    })
  })
}

const urls: string[] = []
for (let node = 1; node <= nodes; node++) urls.push(await startNode(node))
if (robots > 0) run('./robots.js', [String(robots), ...urls])
