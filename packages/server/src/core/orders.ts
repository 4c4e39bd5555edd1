/**
 * What one node tells all nodes, itself included: a logged channel of rt's own, which each node that serves clients hears as a stream. So an order reaches a
 * node also when it was given while that node's link was down, and a node that starts learns of those that still hold.
 */
import { type Clock, timeOfId } from '@rt/protocol'
import type { Broker } from '../ports/broker'
import type { OutItem, Wire } from '../ports/connection'
import type { ChannelRules, Hub, Stream } from '../ports/hub'

export type Order =
  /** These identities lose what they were let in with. */
  | { readonly type: 'revoke'; readonly ids: readonly string[] }
  /** Whoever hears this channel is asked for permission again. */
  | { readonly type: 'recheck'; readonly channel: string }

export interface OrdersOptions {
  readonly hub: Hub
  readonly broker: Broker
  readonly clock: Clock
  /** `time`: milliseconds since 1970 by the broker's clock. `past`: given before this node began to listen. */
  readonly heard: (order: Order, time: number, past: boolean) => void
}

/** No channel of an app can have this name. */
export const ORDERS = '$orders'

/** Milliseconds for which an order holds for nodes that begin to listen, and how many are kept. */
export const orderLife = 24 * 60 * 60 * 1000
const RULES: ChannelRules = { delivery: 'all', history: { size: 10_000, ttl: orderLife } }

/** Milliseconds before the next try when the own stream ended by a fault. */
const PAUSE = 1000

export class Orders {
  readonly #options: OrdersOptions
  #stream: Stream | null = null
  #listening = false
  #closed = false

  constructor(options: OrdersOptions) {
    this.#options = options
  }

  /** Resolves when it is stored: every node will hear it. Rejects as {@link Broker.publish}. */
  async give(order: Order): Promise<void> {
    const messageId = crypto.randomUUID()
    const body = `"messageId":"${messageId}","data":${JSON.stringify(order)}`
    await this.#options.broker.publish({ channel: ORDERS, messageId, body, history: RULES.history, dedupe: PAUSE })
  }

  /** Begins to hear them. Idempotent. */
  listen(): void {
    if (this.#listening || this.#closed) return
    this.#listening = true
    this.#open(null, true)
  }

  close(): void {
    this.#closed = true
    this.#stream?.closed()
  }

  #open(cursor: string | null, past: boolean): void {
    const { hub, clock, heard } = this.#options
    let place = cursor
    let before = past
    let lost = false
    const hear = ({ json }: OutItem) => {
      const event = JSON.parse(json) as HeardEvent
      if (event.type === 'message') heard(event.data, timeOfId(event.id), before)
      // Those that it comes with were given before.
      else if (event.type === 'subscribed')
        for (const { id, data } of event.history ?? []) heard(data, timeOfId(id), true)
      else if (event.type === 'gap') lost = true
      // A drain waits for every stream; this one may stay to the end.
      else if (event.type === 'bye') queueMicrotask(() => again(place))
    }
    const wire: Wire = {
      write(items, moved) {
        for (const item of items) hear(item)
        place = moved ?? place
        return true
      },
      caughtUp: () => {
        before = false
        // Some are missing, or the log began anew: all that is there is heard again.
        if (lost) again(null)
      },
      close: (error) => {
        if (error?.code === 'draining') again(place)
        else clock.setTimeout(() => again(place), PAUSE)
      },
    }
    const again = (from: string | null) => {
      if (this.#closed || this.#stream !== stream) return
      stream.closed()
      this.#open(from, false)
    }
    const fresh = cursor === null
    const subscription = { channel: ORDERS, rules: RULES, fresh, last: fresh ? RULES.history.size : 0 }
    const stream = hub.open({ subscriptions: [subscription], cursor, first: [] }, wire)
    this.#stream = stream
  }
}

/** What of the events of its own stream it reads. */
type HeardEvent =
  | { readonly type: 'message'; readonly id: string; readonly data: Order }
  | { readonly type: 'subscribed'; readonly history?: readonly { readonly id: string; readonly data: Order }[] }
  | { readonly type: 'gap' | 'bye' }
