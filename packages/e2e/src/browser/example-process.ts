/** A built example as real processes, the way `npm start -- NAME` runs it; used by the tests of the examples. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const examples = new URL('../../../../examples/', import.meta.url)

export interface ExampleOptions {
  readonly args?: readonly string[]
  readonly redisUrl?: string
  /** Default: any that is free. */
  readonly port?: number
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>
}

export interface ExampleNode {
  readonly url: string
  /** 0 when it does not say. */
  readonly pid: number
}

/** Parents that were started and not yet seen to end. */
const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Example {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #stderr = ''
  /** Waits for the next line. */
  #wake: () => void = () => {}

  constructor(name: string, { args = [], redisUrl, port = 0, env: more = {} }: ExampleOptions = {}) {
    const main = fileURLToPath(new URL(`${name}/dist/server/start.js`, examples))
    if (!existsSync(main)) throw new Error(`examples/${name} is not built: npm run build.`)
    const env: NodeJS.ProcessEnv = { ...process.env, ...more, PORT: String(port), REDIS_URL: redisUrl }
    if (redisUrl === undefined) delete env['REDIS_URL']
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#name = name
    this.#child = child
    running.add(child)
    child.once('close', () => {
      running.delete(child)
      this.#wake()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake()
    })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The next node that says where it is: at the start, and again after one was killed. */
  async node(): Promise<ExampleNode> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        const url = /http:\/\/localhost:\d+/.exec(line)?.[0]
        if (url !== undefined) return { url, pid: Number(/process (\d+)/.exec(line)?.[1] ?? 0) }
      }
      if (!running.has(this.#child)) throw new Error(`examples/${this.#name} ended: ${this.#stderr}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves with the exit code once all that was written is read: its nodes hold its output open, so all of them are gone. */
  async ended(): Promise<number | null> {
    if (running.has(this.#child)) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  async close(): Promise<void> {
    this.kill('SIGTERM')
    await this.ended()
  }
}
