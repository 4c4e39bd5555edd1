/** A browser of the tests: tabs with real connections over scripted links, which share by locks and lines of our own on a fake clock. */
import type { PollBody, ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import type { Delivery } from '../channels/subscriptions'
import type { PresenceDelivery } from '../channels/watches'
import { Connection } from '../connection/connection'
import type { Status } from '../connection/states'
import type { LinkListener, LinkStart, ResumeRequest } from '../ports/transport'
import type { Line, Locks } from './messages'
import { Sharing } from './sharing'

/** The Web Locks, for one browser. */
class FakeLocks {
  /** A tab is gone without a word: what it held is free. */
  free(tab: string): void {
    for (const [name, holder] of [...this.#holders]) if (name.endsWith(` ${tab}`)) holder.release()
  }

  readonly #holders = new Map<string, { release(): void; rob(): void }>()
  readonly #queues = new Map<string, (() => void)[]>()

  readonly request = ((name: string, options: LockOptions, run: (lock: Lock) => unknown) =>
    new Promise<unknown>((resolve, reject) => {
      const aborted = () => reject(new DOMException('Aborted.', 'AbortError'))
      const take = () => {
        const holder = {
          release: () => {
            if (this.#holders.get(name) !== holder) return
            this.#holders.delete(name)
            this.#queues.get(name)?.shift()?.()
          },
          rob: aborted,
        }
        this.#holders.set(name, holder)
        const free = () => holder.release()
        const result = Promise.resolve(run({ name, mode: 'exclusive' }))
        result.then(free, free)
        result.then(resolve, reject)
      }
      if (options.steal === true) {
        this.#holders.get(name)?.rob()
        this.#holders.delete(name)
        queueMicrotask(take)
        return
      }
      const queue = this.#queues.get(name) ?? []
      this.#queues.set(name, queue)
      const wait = () => {
        if (options.signal?.aborted === true) queue.shift()?.()
        else take()
      }
      options.signal?.addEventListener('abort', aborted)
      if (this.#holders.has(name)) queue.push(wait)
      else queueMicrotask(() => (this.#holders.has(name) ? queue.push(wait) : take()))
    })) as Locks['request']
}

/** A stream of a tab's own, as its server sees it. */
export class FakeLink {
  readonly request: ResumeRequest
  readonly sent: { readonly type: string; readonly ref?: number; readonly channel?: string }[] = []
  closed = false

  constructor(
    start: LinkStart,
    readonly listener: LinkListener,
    readonly identity: string | undefined,
  ) {
    this.request = start.request()
  }

  print(...events: ServerEvent[]): void {
    this.listener.alive()
    this.listener.events(events)
  }

  /** Says hello, and establishes what is new. */
  prove(epoch = '0-1'): void {
    const { identity } = this
    this.print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000, ...(identity !== undefined && { identity }) })
    const fresh = this.request.channels.filter((request) => request.new)
    this.print(
      ...fresh.map(({ channel }): ServerEvent => ({ type: 'subscribed', channel, id: '1-0', epoch, cursor: 'c0' })),
      { type: 'cursor', cursor: 'c0' },
    )
  }

  message(channel: string, n: number): void {
    this.print(messageOf(channel, n), { type: 'cursor', cursor: `c${n}` })
  }

  /** Answers what was sent: commands succeed, channels are established. */
  answer(): void {
    for (const { type, ref, channel } of this.sent.splice(0)) {
      if (type === 'subscribe' && channel !== undefined)
        this.print({ type: 'subscribed', channel, id: '1-0', epoch: '0-1', cursor: 'c0' })
      else if (type === 'unsubscribe' && channel !== undefined) this.print({ type: 'unsubscribed', channel })
      else if (ref !== undefined) this.print({ type: 'result', ref, value: null })
    }
  }

  end(): void {
    this.closed = true
    this.listener.closed({ error: null })
  }
}

export const messageOf = (channel: string, n: number): ServerEvent => ({
  type: 'message',
  channel,
  id: `1-${n}`,
  messageId: `m${n}`,
  data: n,
})

/** One poll of a tab, with what its query says. */
export interface Poll {
  readonly tab: string
  readonly channels: readonly string[]
  readonly fresh: readonly string[]
  readonly cursor: string | null
}

export class Browser {
  readonly clock = new FakeClock()
  readonly locks = new FakeLocks()
  readonly tabs: Tab[] = []
  readonly polls: Poll[] = []
  /** Answers polls; by default new channels are established and nothing is new. */
  answer: (poll: Poll) => Partial<PollBody> | Promise<Partial<PollBody>> = () => ({})
  readonly #lines = new Map<string, Map<Line, Tab>>()

  tab(name: string, identity?: string) {
    const tab = new Tab(this, name, identity)
    this.tabs.push(tab)
    return tab
  }

  /** Lets everything happen that happens at once. */
  settle(ms = 0): Promise<void> {
    return this.clock.advanceAsync(ms)
  }

  open(name: string, tab: Tab): Line {
    const lines = this.#lines.get(name) ?? new Map()
    this.#lines.set(name, lines)
    const line: Line = {
      onmessage: null,
      postMessage: (message) => {
        const data = structuredClone(message)
        for (const [other, owner] of lines) {
          if (other !== line) queueMicrotask(() => owner.read(() => other.onmessage?.({ data } as MessageEvent)))
        }
      },
      close: () => lines.delete(line),
    }
    lines.set(line, tab)
    return line
  }

  async fetch(tab: Tab, url: URL): Promise<Response> {
    const list = (key: string) => url.searchParams.get(key)?.split(',').filter(Boolean) ?? []
    const cursor = url.searchParams.get('cursor')
    const channels = list('channels')
    const poll: Poll = { tab: tab.name, channels, fresh: cursor === null ? channels : list('new'), cursor }
    this.polls.push(poll)
    const body: PollBody = {
      events: poll.fresh.map((channel) => ({ type: 'subscribed', channel, id: '1-0', epoch: '0-1' })),
      cursor: 'p0',
      next: 5000,
      ...(tab.identity !== undefined && { identity: tab.identity }),
      ...(await this.answer(poll)),
    }
    const headers = new Headers({ 'content-type': 'application/json' })
    return { status: 200, headers, json: async () => body } as Response
  }
}

export class Tab {
  readonly connection: Connection
  readonly links: FakeLink[] = []
  readonly statuses: Status[] = []
  readonly told: Delivery[] = []
  readonly members: PresenceDelivery[] = []
  readonly errors: string[] = []
  /** What it will read when it is not stuck any more. */
  #unread: (() => void)[] | null = null
  readonly #browser: Browser
  #suspend: () => void = () => {}

  constructor(
    browser: Browser,
    readonly name: string,
    readonly identity: string | undefined,
  ) {
    this.#browser = browser
    const { clock, locks } = browser
    this.connection = new Connection(
      {
        environment: {
          clock,
          fetch,
          random: () => 0.5,
          socket: async () => null,
          savesData: false,
          isPage: true,
          memory: { read: () => null, write: () => {} },
          watch: ({ suspend }) => {
            this.#suspend = suspend
            return () => {}
          },
        },
        transports: [
          {
            rung: 'websocket',
            open: (start, listener) => {
              const link = new FakeLink(start, listener, identity)
              this.links.push(link)
              const close = () => {
                link.closed = true
              }
              return { send: (text) => link.sent.push(...JSON.parse(text)), inPlace: true, close }
            },
          },
        ],
        ordered: true,
        frugal: false,
        path: 'rt:here',
        idle: () => ({ rung: 'websocket', open: () => ({ close() {} }) }),
        post: () => new Promise(() => {}),
        token: undefined,
        timeout: 30_000,
        client: name,
      },
      {
        deliver: (delivery) => this.told.push(delivery),
        presence: (delivery) => this.members.push(delivery),
        expelled: (channel, { code }) => this.errors.push(`${channel} ${code}`),
        status: (status) => this.statuses.push(status),
        transport: () => {},
        problem: () => {},
        error: ({ code }) => this.errors.push(code),
      },
    )
    this.connection.companion = new Sharing({
      connection: this.connection,
      endpoint: {
        url: new URL('https://here/rt'),
        fetch: (url) => browser.fetch(this, new URL(String(url))),
        headers: {},
      },
      family: 'rt1 here ',
      clock,
      random: () => 0.5,
      tab: name,
      open: (line) => browser.open(line, this),
      locks,
    })
  }

  /** The stream of its own that it has. */
  get link(): FakeLink | undefined {
    return this.links.findLast((link) => !link.closed)
  }

  get messages(): unknown[] {
    return this.told.flatMap((delivery) => (delivery.kind === 'message' ? [delivery.message.data] : []))
  }

  /** Subscribes, and connects by itself; the sharing follows from that. */
  async connect(...channels: string[]): Promise<void> {
    for (const channel of channels) this.connection.subscribe(channel, 0)
    await this.#browser.settle()
    this.link?.prove()
    await this.#browser.settle()
    // Who leads may have to get what this tab wants.
    for (const { link } of this.#browser.tabs) link?.answer()
    await this.#browser.settle()
  }

  /** It reads nothing until it goes on. */
  set stuck(stuck: boolean) {
    const unread = this.#unread ?? []
    this.#unread = stuck ? unread : null
    if (!stuck) for (const read of unread) read()
  }

  read(message: () => void): void {
    if (this.#unread === null) message()
    else this.#unread.push(message)
  }

  /** Lets so much time pass in which its server shows that it lives. */
  async live(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10_000) {
      await this.#browser.settle(10_000)
      this.link?.print({ type: 'beat' })
    }
  }

  /** It is gone, and nobody was told. */
  crash(): void {
    this.stuck = true
    this.#browser.locks.free(this.name)
  }

  suspend(): void {
    this.#suspend()
  }
}

/** Opens tabs that subscribe the same, one behind the other: the first leads. */
export async function openTabs(browser: Browser, names: readonly string[], ...channels: string[]): Promise<Tab[]> {
  const tabs: Tab[] = []
  for (const name of names) {
    const tab = browser.tab(name)
    tabs.push(tab)
    await tab.connect(...channels)
  }
  return tabs
}
