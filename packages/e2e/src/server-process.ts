/** Starts and kills nodes as processes of their own, and keeps what they wrote to stderr; used by the tests that treat the server badly. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ask } from './plain-client'

export interface ServerProcessOptions {
  /** Default: a free one. */
  readonly port?: number
  /** Default: the memory broker. */
  readonly redisUrl?: string
  /** Plain options of createRealtime, such as `{ pollFloor: 100 }`. */
  readonly options?: Readonly<Record<string, unknown>>
  /** Options of node:http's createServer. */
  readonly http?: Readonly<Record<string, unknown>>
}

/** What a node holds once the garbage is gone: numbers of things, and bytes of the heap. */
export interface Figures {
  readonly connections: number
  readonly subscriptions: number
  readonly channels: number
  readonly resources: number
  readonly listeners: number
  readonly timers: number
  readonly sockets: number
  readonly webSockets: number
  readonly requests: number
  readonly responses: number
  readonly heap: number
}

/** A promise that nobody handled ends the process, and so does an `error` event without a listener. */
export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess
  readonly #stderr: string[]

  private constructor(port: number, child: ChildProcess, stderr: string[]) {
    this.port = port
    this.#child = child
    this.#stderr = stderr
  }

  /** Resolves when it listens. */
  static async start(options: ServerProcessOptions = {}): Promise<ServerProcess> {
    const main = fileURLToPath(new URL('./server-main.mjs', import.meta.url))
    const args = [
      '--unhandled-rejections=strict',
      '--expose-gc',
      '--disable-warning=ExperimentalWarning',
      main,
      JSON.stringify(options),
    ]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const stderr: string[] = []
    child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
    const ready = new Promise<number>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${stderr.join('')}`)))
      createInterface({ input: child.stdout }).once('line', (line) => resolve((JSON.parse(line) as ServerProcess).port))
    })
    return new ServerProcess(await ready, child, stderr)
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** All that it wrote to stderr. */
  get stderr(): string {
    return this.#stderr.join('')
  }

  async figures(): Promise<Figures> {
    const { text } = await ask(`${this.origin}/figures`)
    return JSON.parse(text) as Figures
  }

  /** Such as SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** SIGKILL: no drain, no goodbye. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.running) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
