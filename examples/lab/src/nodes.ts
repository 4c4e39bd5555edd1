/** The nodes of the lab: processes that can be killed and frozen, and are started again when they end. Made by start.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Milliseconds until a node that was killed is started again. */
const AWAY = 1500

export class LabNode {
  readonly number: number
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | null = null
  #frozen: NodeJS.Timeout | null = null
  #ended = false
  /** The same through all of its lives; 0 before the first. */
  port = 0

  constructor(number: number, env: NodeJS.ProcessEnv) {
    this.number = number
    this.#env = env
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  get state(): 'running' | 'frozen' | 'dead' {
    if (this.#child === null) return 'dead'
    return this.#frozen === null ? 'running' : 'frozen'
  }

  /** Resolves when it listens. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL('./node.js', import.meta.url)), [String(this.port)], { env: this.#env })
      this.#child = child
      child.once('message', (port) => {
        this.port = Number(port)
        resolve()
      })
      child.once('exit', () => {
        this.#child = null
        this.#thaw()
        if (this.port === 0) reject(new Error(`Node ${this.number} did not start.`))
        else if (!this.#ended) setTimeout(() => this.#ended || void this.start(), AWAY)
      })
    })
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** It stands still for so many milliseconds, as in a long pause of the machine, and its connections stay open. */
  freeze(milliseconds: number): void {
    if (this.#child === null) return
    this.#thaw()
    this.#child.kill('SIGSTOP')
    this.#frozen = setTimeout(() => this.#thaw(), milliseconds)
  }

  end(): void {
    this.#ended = true
    this.#thaw()
    this.kill()
  }

  #thaw(): void {
    if (this.#frozen === null) return
    clearTimeout(this.#frozen)
    this.#frozen = null
    this.#child?.kill('SIGCONT')
  }
}
