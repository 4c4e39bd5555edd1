/** A script of this folder in an operating-system process of its own, with messages both ways; used by the tests that need real processes. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** `Told` is what the script tells, `Asked` what it is asked; both are discriminated by `type`. */
export class Child<Told extends { readonly type: string }, Asked> {
  /** Everything that it wrote to stderr. */
  stderr = ''
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #listeners = new Set<(told: Told) => void>()
  readonly #waiting = new Set<(error: Error) => void>()

  /** @param script URL of the script. @param settings What it gets from {@link settings}. @param within A command that runs the one behind it. */
  constructor(script: URL, settings: unknown, nodeArgs: readonly string[] = [], within: readonly string[] = []) {
    const [program, ...before] = [...within, process.execPath]
    const child = fork(fileURLToPath(script), [JSON.stringify(settings)], {
      execPath: program,
      execArgv: [
        ...before,
        '--import',
        new URL('typescript.mjs', import.meta.url).href,
        '--unhandled-rejections=strict',
        ...nodeArgs,
      ],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    child.on('message', (told) => {
      for (const listener of [...this.#listeners]) listener(told as Told)
    })
    const dieWithUs = () => child.kill('SIGKILL')
    process.once('exit', dieWithUs)
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      // Not `exit`: what it wrote last must have been read.
      child.once('close', (code, signal) => {
        process.off('exit', dieWithUs)
        const error = new Error(`${script.pathname} ended with ${signal ?? code}.\n${this.stderr}`)
        for (const fail of [...this.#waiting]) fail(error)
        resolve({ code, signal })
      })
    })
  }

  /** Returns its own undo. */
  on(listener: (told: Told) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The next message of this type (that fits). Rejects when the process ends before. */
  next<T extends Told['type']>(
    type: T,
    fits: (told: Extract<Told, { type: T }>) => boolean = () => true,
  ): Promise<Extract<Told, { type: T }>> {
    return new Promise((resolve, reject) => {
      const done = () => {
        off()
        this.#waiting.delete(fail)
      }
      const fail = (error: Error) => {
        done()
        reject(error)
      }
      const off = this.on((told) => {
        const one = told as Extract<Told, { type: T }>
        if (one.type !== type || !fits(one)) return
        done()
        resolve(one)
      })
      this.#waiting.add(fail)
    })
  }

  ask(message: Asked): void {
    if (this.#process.connected) this.#process.send(message as object)
  }

  /** SIGSTOP: it is there and does nothing, as a machine that sleeps. */
  freeze(): void {
    this.#process.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process.kill('SIGCONT')
  }

  /** SIGTERM: it is asked to end. */
  terminate(): void {
    this.#process.kill('SIGTERM')
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<Exit> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await gone
    }
    return this.exited
  }
}

/** In the script: what the process was started with. */
export function settings<S>(): S {
  return JSON.parse(process.argv[2] as string) as S
}

/** In the script: the other end of {@link Child}. `asked` is called for each message; the process ends when the test does. */
export function parent<Told extends { readonly type: string }, Asked>(asked: (message: Asked) => void) {
  process.on('message', (message) => asked(message as Asked))
  const orphaned = () => process.exit(1)
  process.once('disconnect', orphaned)
  return {
    tell(message: Told): void {
      process.send?.(message)
    },
    /** Lets go of the parent: the process ends by itself when nothing else holds it. */
    leave(): void {
      process.off('disconnect', orphaned)
      process.disconnect()
    },
  }
}
