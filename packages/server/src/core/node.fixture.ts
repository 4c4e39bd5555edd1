/** One node's core on the memory broker, and a wire that records; for the tests of this folder. */
import { type Clock, type ServerEvent, systemClock } from '@rt/protocol'
import { memory } from '../backends/memory/broker'
import type { ChannelOptions } from '../channel'
import { defaults } from '../options'
import type { Broker } from '../ports/broker'
import type { Identity, OutItem, Wire } from '../ports/connection'
import { createArrivals } from './arrivals'
import { createAuthorize } from './authorize'
import { createCommands } from './commands'
import { compileContract } from './contract'
import { Counters } from './counters'
import { createGateway, type GatewayOptions } from './gateway'
import { createHooks, type HooksOptions } from './hooks'
import { createHub } from './hub'
import { Log } from './log'
import { readOrigins } from './origins'
import { createReadPayload } from './payload'
import { createPublishing } from './publishing'
import { createStateOf } from './state'

interface NodeSetup {
  channels: Record<string, ChannelOptions>
  authenticate?: (request: Request) => Identity | null | Promise<Identity | null>
  tickets?: GatewayOptions['tickets']
  broker?: Broker
  clock?: Clock
  limits?: Partial<GatewayOptions['limits']>
  hooks?: HooksOptions
}

export function createNode({
  channels,
  authenticate = () => null,
  tickets,
  broker = memory(),
  clock = systemClock,
  limits,
  hooks = {},
}: NodeSetup) {
  const reported: unknown[] = []
  const report = (error: unknown) => void reported.push(error)
  const contract = compileContract(channels)
  const counters = new Counters()
  const log = new Log(null, clock)
  const hub = createHub({
    broker,
    clock,
    counters,
    log,
    node: 'node',
    heartbeat: 20_000,
    life: 1_800_000,
    outboxBytes: 2 ** 20,
    waitingBytes: 2 ** 28,
    pageBytes: 2 ** 18,
    ringBytes: 2 ** 20,
    ringSize: 100,
    linger: 10_000,
    presence: { ttl: 60_000, grace: 10_000 },
    report,
    defer: (run) => void setImmediate(run),
  })
  const authorize = createAuthorize(report)
  const readPayload = createReadPayload(report)
  const stateOf = createStateOf(report)
  const publishing = createPublishing({ contract, authorize, broker, hub, dedupe: 300_000, readPayload, counters })
  const runCommand = createCommands({
    contract,
    authorize,
    publishing,
    hub,
    readPayload,
    stateOf,
    counters,
    log,
    report,
  })
  const gateway = createGateway({
    authenticate,
    ...(tickets !== undefined && { tickets }),
    allowsOrigin: readOrigins(undefined),
    contract,
    authorize,
    runCommand,
    stateOf,
    hub,
    clock,
    counters,
    hooks: createHooks(hooks, report),
    log,
    report,
    limits: { ...defaults.limits, ...limits },
    arrivals: createArrivals({
      perAddress: defaults.limits.perAddress,
      connections: null,
      overload: null,
      clock,
    }),
    trustedProxies: null,
    heartbeat: 20_000,
    pollHold: 25_000,
    pollFloor: 5_000,
    path: '/rt',
  })
  return { gateway, hub, broker, publishing, counters, reported }
}

/** Records what is printed; `until` resolves with the first event that fits, also one that was printed before. */
export class RecordingWire implements Wire {
  readonly events: ServerEvent[] = []
  closedWith: unknown
  readonly #watchers = new Set<() => void>()

  write(items: readonly OutItem[]): boolean {
    for (const item of items) this.events.push(JSON.parse(item.json) as ServerEvent)
    this.#changed()
    return true
  }

  close(error: unknown): void {
    this.closedWith = error
    this.#changed()
  }

  until<T extends ServerEvent['type']>(
    type: T,
    fits: (event: Extract<ServerEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<ServerEvent, { type: T }>> {
    return this.#when(() =>
      this.events.find((event): event is Extract<ServerEvent, { type: T }> => {
        return event.type === type && fits(event as Extract<ServerEvent, { type: T }>)
      }),
    )
  }

  untilClosed(): Promise<unknown> {
    return this.#when(() => this.closedWith)
  }

  #when<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const watch = () => {
        const found = look()
        if (found === undefined) return
        this.#watchers.delete(watch)
        resolve(found)
      }
      this.#watchers.add(watch)
      watch()
    })
  }

  #changed(): void {
    for (const watch of [...this.#watchers]) watch()
  }
}
