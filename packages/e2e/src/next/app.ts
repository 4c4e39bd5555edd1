/** A copy of examples/notifications as real processes of Next: built, started, killed with all their children; used by the tests of this folder. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../free-port'

const examples = fileURLToPath(new URL('../../../../examples/', import.meta.url))
const original = join(examples, 'notifications')
const fixture = fileURLToPath(new URL('fixture/', import.meta.url))

/** What runs, and what it prints when it listens. */
const modes = {
  start: { command: ['node_modules/next/dist/bin/next', 'start'], ready: 'Ready in' },
  dev: { command: ['node_modules/next/dist/bin/next', 'dev'], ready: 'Ready in' },
  'own server, dev': { command: ['dist/server.js', '--dev'], ready: 'Notifications with WebSocket' },
} as const

/** Process groups that run. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL')
})

/** Next starts processes of its own, so that each start is a group. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // All of it is gone.
  }
}

export class NextApp {
  readonly folder = mkdtempSync(join(examples, '.notifications-'))

  constructor() {
    // Beside the original, so that the workspace's packages are found in the same way.
    cpSync(original, this.folder, {
      recursive: true,
      filter: (path) => path === original || !/^(node_modules|\.next|dist|.*\.tsbuildinfo)$/.test(basename(path)),
    })
    symlinkSync(join(original, 'node_modules'), join(this.folder, 'node_modules'), 'dir')
  }

  /** Replaces a text that must be there. */
  edit(file: string, from: string, to: string): void {
    const path = join(this.folder, file)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} of the example holds no ${JSON.stringify(from)}.`)
    writeFileSync(path, text.replace(from, to))
  }

  /** Adds `/debug`, and the count of what is held. */
  addDebugRoute(): void {
    cpSync(fixture, join(this.folder, 'app/debug'), { recursive: true })
    this.edit('app/debug/route.ts', '../../../../../examples/notifications/', '../../')
    this.edit('lib/realtime.ts', 'import ', "import { watched } from '../app/debug/watched'\nimport ")
    this.edit(
      'lib/realtime.ts',
      "userOfCookies(request.headers.get('cookie'))",
      "watched(userOfCookies(request.headers.get('cookie')))",
    )
  }

  async build(command: readonly string[] = ['node_modules/next/dist/bin/next', 'build']): Promise<void> {
    const child = this.#spawn(command)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)))
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`)
  }

  /** Resolves when it listens. */
  async start(
    mode: keyof typeof modes,
    { port, redisUrl }: { port?: number; redisUrl?: string } = {},
  ): Promise<NextServer> {
    const free = port ?? (await freePort())
    const { command, ready } = modes[mode]
    const env = { PORT: String(free), ...(redisUrl !== undefined && { REDIS_URL: redisUrl }) }
    const server = new NextServer(this.#spawn(command, env), free)
    await server.says(ready)
    return server
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #spawn([script = '', ...args]: readonly string[], more: Record<string, string> = {}): ChildProcess {
    const env: NodeJS.ProcessEnv = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', ...more }
    // Those of vitest would make another build of it.
    for (const name of Object.keys(env)) if (/^(NODE_ENV|VITEST.*|NODE_OPTIONS)$/.test(name)) delete env[name]
    if (more['REDIS_URL'] === undefined) delete env['REDIS_URL']
    const child = spawn(process.execPath, [join(this.folder, script), ...args], {
      cwd: this.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    running.add(child)
    child.once('close', () => running.delete(child))
    return child
  }
}

export class NextServer {
  readonly url: string
  /** Resolves with the exit code when the process is gone and so is everybody who wrote to its output. */
  readonly ended: Promise<number | null>
  output = ''
  readonly #child: ChildProcess
  #wake: () => void = () => {}
  #gone = false

  constructor(
    child: ChildProcess,
    readonly port: number,
  ) {
    this.#child = child
    // By name, as one opens it: Next keeps other hosts away from its development server.
    this.url = `http://localhost:${port}`
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += String(chunk)
        this.#wake()
      })
    }
    this.ended = once(child, 'close').then(([code]) => {
      this.#gone = true
      this.#wake()
      return code as number | null
    })
  }

  /** Waits until this was printed. */
  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.#gone) throw new Error(`Next ended before it said "${text}":\n${this.output}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Ends the group. Resolves with the exit code. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    killGroup(this.#child, signal)
    return this.ended
  }
}
