/** A tab in the background of a real Chromium, by its own protocol, for Playwright keeps every page visible; used by online.test.ts and the tests of sharing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'

interface Reply {
  readonly id?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

export class Tabs {
  readonly #process: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #id = 0

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process
    this.#profile = profile
    this.#socket = socket
    socket.on('message', (data) => {
      const reply = JSON.parse(String(data)) as Reply
      if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply)
    })
  }

  static async start(executable: string): Promise<Tabs> {
    const profile = await mkdtemp(join(tmpdir(), 'rt-chromium-'))
    const args = ['--headless=new', '--no-sandbox', '--remote-debugging-port=0', `--user-data-dir=${profile}`]
    const child = spawn(executable, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const address = await new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}.`)))
      createInterface({ input: child.stderr }).on('line', (line) => {
        const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    const socket = new WebSocket(address)
    await once(socket, 'open')
    return new Tabs(child, profile, socket)
  }

  /** Opens a page in front of all others; they are hidden from now on. */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.send('Target.createTarget', { url })
    await this.send('Target.activateTarget', { targetId })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    return new Tab(this, String(targetId), String(sessionId))
  }

  async send(method: string, params: object, sessionId?: string): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#id
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }))
    const { result, error } = await reply
    this.#waiting.delete(id)
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  async close(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
    // Its helpers may still write for a moment.
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

export class Tab {
  readonly #tabs: Tabs
  readonly #target: string
  readonly #session: string

  constructor(tabs: Tabs, target: string, session: string) {
    this.#tabs = tabs
    this.#target = target
    this.#session = session
  }

  /** The value of an expression in the page, awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const params = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.#tabs.send('Runtime.evaluate', params, this.#session)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { readonly value?: unknown }).value
  }

  /** What the browser does to a page that was hidden for long. */
  async freeze(frozen: boolean): Promise<void> {
    await this.#tabs.send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' }, this.#session)
  }

  /** In front of all others. */
  async show(): Promise<void> {
    await this.#tabs.send('Target.activateTarget', { targetId: this.#target })
  }

  async close(): Promise<void> {
    await this.#tabs.send('Target.closeTarget', { targetId: this.#target })
  }
}
