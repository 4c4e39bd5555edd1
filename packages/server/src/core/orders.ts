/**
 * What one node tells all nodes, itself included: a logged channel of rt's own, which each node that serves clients hears as a stream. So an order reaches a
 * node also when it was given while that node's link was down, and a node that starts learns of those that still hold.
 */
import { type Clock, timeOfId } from '@rt/protocol'
import type { Broker } from '../ports/broker'
import type { Wire } from '../ports/connection'
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
  /** Told what `heard` throws. */
  readonly report: (error: unknown) => void
}

/** No channel of an app can have this name. */
export const ORDERS = '$orders'

/** Milliseconds for which an order holds for nodes that begin to listen, and how many are kept. */
export const orderLife = 24 * 60 * 60 * 1000
const RULES: ChannelRules = { delivery: 'all', history: { size: 10_000, ttl: orderLife } }

/** Milliseconds after which the own stream is opened again where it ended. */
const PAUSE = 500

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
    // Of its own each time, so that nothing has to be remembered of it.
    const messageId = crypto.randomUUID()
    const body = `"messageId":"${messageId}","data":${JSON.stringify(order)}`
    await this.#options.broker.publish({ channel: ORDERS, messageId, body, history: RULES.history, dedupe: 1000 })
  }

  /** Begins to hear them. Idempotent. */
  listen(): void {
    if (this.#listening || this.#closed) return
    this.#listening = true
    this.#open(null)
  }

  close(): void {
    this.#closed = true
    this.#stream?.closed()
  }

  #open(cursor: string | null): void {
    const { hub, clock, heard, report } = this.#options
    let place = cursor
    const tell = ({ id, data }: Given, past: boolean) => {
      try {
        heard(data, timeOfId(id), past)
      } catch (error) {
        // Heard again it would be no better, and the next ones have to be heard.
        report(error)
      }
    }
    const wire: Wire = {
      write(items, moved) {
        for (const { json } of items) {
          const event = JSON.parse(json) as HeardEvent
          if (event.type === 'message') tell(event, false)
          // Those that it comes with were given before.
          else if (event.type === 'subscribed') for (const given of standing(event.history ?? [])) tell(given, true)
          // A drain waits for every stream; this one may stay to the end.
          else if (event.type === 'bye') queueMicrotask(again)
        }
        place = moved ?? place
        return true
      },
      close: () => void clock.setTimeout(again, PAUSE),
    }
    const again = () => {
      if (this.#closed || this.#stream !== stream) return
      stream.closed()
      this.#open(place)
    }
    const fresh = cursor === null
    const subscription = { channel: ORDERS, rules: RULES, fresh, last: fresh ? RULES.history.size : 0 }
    const stream = hub.open({ subscriptions: [subscription], cursor, first: [] }, wire)
    this.#stream = stream
  }
}

/** Those that something is left to do for: to ask a rule again, once is enough. */
function standing(orders: readonly Given[]): Given[] {
  const last = new Map(orders.map((given) => [given.data.type === 'recheck' ? given.data.channel : given, given]))
  return [...last.values()]
}

interface Given {
  readonly id: string
  readonly data: Order
}

/** What of the events of its own stream it reads. Behind a gap the stream goes on with what is there. */
type HeardEvent =
  | ({ readonly type: 'message' } & Given)
  | { readonly type: 'subscribed'; readonly history?: readonly Given[] }
  | { readonly type: 'bye' }
