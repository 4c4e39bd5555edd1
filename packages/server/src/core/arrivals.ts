/** Who may come in, before anybody is asked who it is: by address, and by what the node has to do. Asked by the transports; made by createRealtime. */
import { type Clock, RealtimeError } from '@rt/protocol'
import type { Arrivals } from '../ports/gateway'
import type { Overload } from './overload'
import { Pace } from './pace'

export interface ArrivalsOptions {
  readonly perAddress: { readonly requests: number; readonly connections: number }
  /** Streams on this node; null: any number. */
  readonly connections: number | null
  /** Null: nothing is ever too much. */
  readonly overload: Overload | null
  readonly clock: Clock
}

/** Seconds whose requests may come at once: after a deploy all of an office come back. */
export const BURST = 10

/** Milliseconds after which to try once more. They are spread, so that those who were sent away together do not come together. */
export const COMEBACK = { least: 2_000, spread: 4_000 } as const

/** How many more streams there may be when those come back who were here. */
const RESERVE = 1.1

export function createArrivals({ perAddress, connections, overload, clock }: ArrivalsOptions): Arrivals {
  const pace = new Pace({ perSecond: perAddress.requests, burst: BURST * perAddress.requests, clock })
  const most = connections ?? Number.POSITIVE_INFINITY
  /** Streams of each address. */
  const streams = new Map<string, number>()
  let all = 0

  return {
    knock(address) {
      if (address === null) return
      const wait = pace.take(address, 0)
      if (wait === 0) return
      const message = `One address may make ${perAddress.requests} requests a second.`
      throw new RealtimeError('rate_limited', message, { retryAfter: Math.max(wait, comeback()), outcome: 'failed' })
    },

    arrive(address) {
      if (all >= RESERVE * most) throw overloaded()
      const count = address === null ? 0 : (streams.get(address) ?? 0)
      if (count >= perAddress.connections) {
        const message = `One address may have ${perAddress.connections} connections.`
        throw new RealtimeError('rate_limited', message, { retryAfter: comeback(), outcome: 'failed' })
      }
      all++
      if (address !== null) streams.set(address, count + 1)
      let here = true
      return () => {
        if (!here) return
        here = false
        all--
        if (address === null) return
        const left = (streams.get(address) ?? 1) - 1
        if (left === 0) streams.delete(address)
        else streams.set(address, left)
      }
    },

    admit(returns) {
      if (!returns && (all > most || overload?.shedding === true)) throw overloaded()
    },
  }
}

function comeback(): number {
  return COMEBACK.least + Math.round(Math.random() * COMEBACK.spread)
}

function overloaded(): RealtimeError {
  return new RealtimeError('overloaded', 'This node has too much to do.', { retryAfter: comeback(), outcome: 'failed' })
}
