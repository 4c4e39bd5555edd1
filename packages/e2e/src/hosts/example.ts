/** A built example as a process of its own, the way its `start` script runs it, with the probe inside; used by hosts.test.ts. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const probe = new URL('probe.mjs', import.meta.url).href

export class Example {
  readonly url: string
  readonly #child: ChildProcess
  readonly #stderr: string[]
  readonly #closed: Promise<unknown>

  private constructor(url: string, child: ChildProcess, stderr: string[], closed: Promise<unknown>) {
    this.url = url
    this.#child = child
    this.#stderr = stderr
    this.#closed = closed
  }

  /** Resolves when it has said where it listens. */
  static async start(name: string): Promise<Example> {
    const main = fileURLToPath(new URL(`../../../../examples/${name}/dist/server/server.js`, import.meta.url))
    if (!existsSync(main)) throw new Error(`examples/${name} is not built: npm run build.`)
    const child = fork(main, {
      env: { ...process.env, PORT: '0' },
      execArgv: ['--unhandled-rejections=strict', '--import', probe],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const dieWithUs = () => child.kill('SIGKILL')
    process.once('exit', dieWithUs)
    // Not `exit`: what it wrote last must have been read.
    const closed = once(child, 'close').finally(() => process.off('exit', dieWithUs))
    const stderr: string[] = []
    child.stderr?.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const line = once(lines, 'line') as Promise<[string]>
    const ended = closed.then(() => Promise.reject(new Error(`examples/${name} ended: ${stderr.join('')}`)))
    // Later it may end as it likes.
    ended.catch(() => {})
    const [url] = await Promise.race([line, ended])
    return new Example(url, child, stderr, closed)
  }

  /** How many streams the server holds now. */
  async streams(): Promise<number> {
    const answer = once(this.#child, 'message') as Promise<[number]>
    this.#child.send('streams')
    return (await answer)[0]
  }

  /** SIGTERM. Resolves with what was left of it. */
  async end(): Promise<{ readonly code: number | null; readonly stderr: string }> {
    this.#child.kill('SIGTERM')
    await this.#closed
    return { code: this.#child.exitCode, stderr: this.#stderr.join('') }
  }

  /** SIGKILL, if it is still there. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}
