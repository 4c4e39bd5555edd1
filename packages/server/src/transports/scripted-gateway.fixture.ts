/** A gateway for the tests of transports and hosts: keeps the promises of its port, and leaves to the test what is printed on each wire. */
import { type ErrorCode, RealtimeError, type ResultEvent } from '@rt/protocol'
import type { Connection, Identity, OpenRequest, OutItem, Wire } from '../ports/connection'
import type { Gateway } from '../ports/gateway'

/** One connection that a transport opened, seen from the core's side. */
export interface Opened {
  readonly request: OpenRequest
  readonly wire: Wire
  /** Frames that came in. */
  readonly received: string[]
  /** Resolves when the wire said that it is writable again, with the number of frames received by then. */
  drained(): Promise<number>
  /** Resolves when the transport said that it is gone. */
  readonly closed: Promise<void>
  /** Resolves with the next frame. */
  frame(): Promise<string>
}

export const CURSOR = '1.1.0_a-0_b-0'

/** A token `error-<code>` is refused with that code; any other is the identity's id. */
export class ScriptedGateway implements Gateway {
  draining = false
  heartbeat = 20_000
  pollHold = 25_000
  pollFloor = 5_000
  path = '/rt'
  frames = 2_500
  trustedProxies: number | null = null
  /** What the next ones who come are turned away with. */
  shed: RealtimeError | null = null
  /** Streams that have come and not gone. */
  present = 0
  /** The address of each request. */
  readonly knocks: (string | null)[] = []
  readonly bytes = { websocket: 0, sse: 0, 'long-poll': 0, poll: 0 }
  readonly refusals: ErrorCode[] = []
  /** What each stream says right behind `hello`. */
  first: readonly OutItem[] = []
  /** Refuses the next opens. */
  refusal: RealtimeError | null = null
  /** Runs when a connection is opened, before `open` resolves. */
  onOpen: (opened: Opened) => void = () => {}
  readonly executed: { text: string; identity: Identity | null }[] = []
  readonly requests: Request[] = []
  readonly #opened: Opened[] = []
  readonly #waiting: ((opened: Opened) => void)[] = []

  async authenticate(request: Request): Promise<Identity | null> {
    this.requests.push(request)
    const token = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1]
    if (token === undefined) return null
    if (token.startsWith('error-')) throw new RealtimeError(token.slice(6) as ErrorCode, 'Refused.')
    return { id: token }
  }

  async members(channel: string, identity: Identity | null) {
    if (identity === null) throw new RealtimeError('unauthenticated', 'Refused.')
    return { members: [{ id: identity.id, state: channel }], known: true }
  }

  async open(request: OpenRequest, wire: Wire): Promise<Connection> {
    if (this.refusal !== null) throw this.refusal
    const received: string[] = []
    const frames: ((text: string) => void)[] = []
    const drains: ((received: number) => void)[] = []
    let close = () => {}
    const opened: Opened = {
      request,
      wire,
      received,
      drained: () => new Promise((resolve) => drains.push(resolve)),
      closed: new Promise((resolve) => {
        close = resolve
      }),
      frame: () => new Promise((resolve) => frames.push(resolve)),
    }
    wire.write([hello, ...this.first], request.cursor ?? CURSOR)
    this.onOpen(opened)
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#opened.push(opened)
    else waiting(opened)
    return {
      id: 'connection',
      drained: () => {
        for (const run of drains.splice(0)) run(received.length)
      },
      receive: (text) => {
        received.push(text)
        frames.shift()?.(text)
      },
      closed: () => close(),
    }
  }

  async execute(text: string, identity: Identity | null): Promise<ResultEvent[]> {
    this.executed.push({ text, identity })
    return [{ type: 'result', ref: 1, value: { id: '1-0' } }]
  }

  knock(address: string | null): void {
    this.knocks.push(address)
  }

  arrive(): () => void {
    this.present++
    let here = true
    return () => {
      if (here) this.present--
      here = false
    }
  }

  admit(): void {
    if (this.shed !== null) throw this.shed
  }

  refused({ code }: RealtimeError): void {
    this.refusals.push(code)
  }

  allowsOrigin(origin: string | null, host: string | null): boolean {
    return origin === null || origin === 'https://app.example' || origin === `http://${host}`
  }

  /** The next connection that a transport opens. */
  opened(): Promise<Opened> {
    const opened = this.#opened.shift()
    return opened === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(opened)
  }
}

export const hello: OutItem = control({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 })

/** A control event as an item. */
export function control(event: { readonly type: string; readonly [key: string]: unknown }): OutItem {
  return { kind: 'control', channel: null, json: JSON.stringify(event) }
}

/** A publication as an item. */
export function message(channel: string, id: string, data: unknown = 1): OutItem {
  return { kind: 'publication', channel, json: JSON.stringify({ type: 'message', channel, id, messageId: 'm', data }) }
}
