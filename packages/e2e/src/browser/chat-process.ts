/** The built demo as a real process, the way `npm start` runs it; used by the chat tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../../../examples/chat/dist/server/start.js', import.meta.url))

export interface ChatOptions {
  readonly args?: readonly string[]
  readonly redisUrl?: string
  /** Default: any that is free. */
  readonly port?: number
  /** Milliseconds after which somebody whose page closed is gone. */
  readonly grace?: number
}

export interface ChatNode {
  readonly url: string
  /** Null when the parent is the node. */
  readonly pid: number | null
}

/** Ends of processes that were started and not yet seen to end. */
const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class Chat {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #stderr = ''
  /** Waits for the next line. */
  #wake: () => void = () => {}

  constructor({ args = [], redisUrl, port = 0, grace }: ChatOptions = {}) {
    if (!existsSync(main)) throw new Error('The demo is not built: npm run build.')
    const env: NodeJS.ProcessEnv = { ...process.env, PORT: String(port), REDIS_URL: redisUrl }
    if (redisUrl === undefined) delete env['REDIS_URL']
    if (grace !== undefined) env['CHAT_GRACE'] = String(grace)
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
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
  async node(): Promise<ChatNode> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        const url = /http:\/\/localhost:\d+/.exec(line)?.[0]
        if (url !== undefined) return { url, pid: Number(/process (\d+)/.exec(line)?.[1] ?? 0) || null }
      }
      if (!running.has(this.#child)) throw new Error(`The demo ended: ${this.#stderr}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves with the exit code, once all that was written is read. */
  async ended(): Promise<number | null> {
    if (running.has(this.#child)) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  async close(): Promise<void> {
    this.kill('SIGTERM')
    await this.ended()
  }
}
