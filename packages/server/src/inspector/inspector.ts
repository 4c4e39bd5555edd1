/**
 * The inspector: one page with what the nodes do. It is an app over rt itself: a gateway of its own on the same hub, in which one permission stands for the rules of all
 * channels; made by `rt.inspector()`.
 */
import { RealtimeError } from '@rt/protocol'
import { createCommands, type RunCommand, refusal } from '../core/commands'
import type { Contract, ResolvedChannel } from '../core/contract'
import { Counters } from '../core/counters'
import { createGateway, type GatewayControl, type GatewayOptions } from '../core/gateway'
import { createHooks } from '../core/hooks'
import { Log } from '../core/log'
import { readOrigins } from '../core/origins'
import type { Publishing } from '../core/publishing'
import { createFetchHandler, type FetchHandler } from '../hosts/fetch'
import { createNodeHandler, type NodeHandler } from '../hosts/node'
import type { Identity } from '../ports/connection'
import type { Gateway } from '../ports/gateway'
import type { Hub } from '../ports/hub'
import { createSite } from './site'
import { createSnapshot } from './snapshot'
import { NODES, Watch } from './watch'

/** How the inspector is mounted. */
export interface InspectorOptions<I extends Identity = Identity> {
  /**
   * Who may see everything, and publish into every channel as the server. Asked for the page and again for each of its streams, polls and commands; only `true` means yes.
   * `identity`: what `authenticate` made of the request; a page sends cookies, and no token. Default: nobody.
   */
  readonly allow?: (context: { readonly identity: I | null; readonly request: Request }) => boolean | Promise<boolean>
}

/** The inspector as a route: page, streams and commands have one path, whichever the app gives it. */
export interface Inspector {
  /** `(req, res)` for node:http, Express, Fastify. */
  readonly handler: NodeHandler
  /** A web-standard function, for Hono, Bun, Deno. Never rejects. */
  readonly fetch: FetchHandler
  /** Route handlers of the Next.js App Router. */
  readonly handlers: { readonly GET: FetchHandler; readonly POST: FetchHandler }
}

export interface InspectorParts
  extends Omit<
    GatewayOptions,
    'authenticate' | 'allowsOrigin' | 'authorize' | 'runCommand' | 'stateOf' | 'hub' | 'hooks' | 'log'
  > {
  readonly hub: Hub
  readonly node: string
  readonly publishing: Publishing
  readonly readPayload: Parameters<typeof createCommands>[0]['readPayload']
  /** The app's own gateway, which is looked at. */
  readonly app: Gateway & GatewayControl
}

/** What the composition root does with it. */
export type InspectorControl = Pick<GatewayControl, 'drain' | 'revoke'> & { close(): void }

/** An inspector sees every channel of the app, and one of rt's own. */
const nodes: ResolvedChannel = {
  name: NODES,
  pattern: NODES,
  params: {},
  definition: { message: { '~standard': { version: 1, vendor: 'rt', validate: (value) => ({ value }) } } },
  rules: { delivery: 'live', history: { size: 1, ttl: 1000 } },
}

export function createInspector(
  { allow }: InspectorOptions,
  { hub, node, publishing, readPayload, app, counters, ...parts }: InspectorParts,
): Inspector & { readonly control: InspectorControl } {
  const { clock, report } = parts
  // What the inspector does itself shall not show as what the app does.
  const own = new Counters()
  const log = new Log(null, clock)
  const contract: Contract = { resolve: (name) => (name === NODES ? nodes : parts.contract.resolve(name)) }
  const snapshot = createSnapshot({ hub, node, clock, app, counters, own })
  const watch = new Watch({ hub, clock, snapshot, looked: () => Object.values(own.connections).some((n) => n > 0) })

  const authorize = async () => {}
  const stateOf = () => null
  const asServer: Publishing = {
    prepare: (draft) => publishing.prepare({ ...draft, publisher: { server: true } }),
  }
  const run = createCommands({
    contract,
    authorize,
    publishing: asServer,
    hub,
    readPayload,
    stateOf,
    counters: own,
    log,
    report,
  })
  // Who looks is not there.
  const runCommand: RunCommand = async (command, caller) =>
    command.type === 'enter'
      ? refusal(command.ref, new RealtimeError('forbidden', 'The inspector enters no channel.', { outcome: 'failed' }))
      : run(command, caller)
  const gateway = createGateway({
    ...parts,
    async authenticate(request) {
      const identity = await app.authenticate(request)
      if (allow === undefined) {
        throw new RealtimeError('forbidden', 'The inspector lets nobody in.', {
          hint: "Say who may: rt.inspector({ allow: ({ identity }) => identity?.id === '7' }).",
        })
      }
      if ((await allow({ identity, request })) === true) return identity
      throw new RealtimeError(
        identity === null ? 'unauthenticated' : 'forbidden',
        'The inspector lets in only whom its `allow` says yes to.',
        { hint: identity === null ? 'Log in to the app as somebody who may.' : 'Log in to the app as somebody else.' },
      )
    },
    // Pages of other origins have no business here, whatever the app allows them.
    allowsOrigin: readOrigins(undefined),
    contract,
    authorize,
    runCommand,
    stateOf,
    counters: own,
    hooks: createHooks({}, report),
    log,
    hub: {
      presence: hub.presence,
      open(request, wire) {
        watch.look()
        const counted: typeof wire = {
          write(items, cursor) {
            own.wrote(items)
            return wire.write(items, cursor)
          },
          caughtUp: () => wire.caughtUp?.(),
          close: (error) => wire.close(error),
        }
        return hub.open({ ...request, identity: null, seats: [] }, counted)
      },
    },
  })

  const site = createSite(gateway, clock)
  const fetch = createFetchHandler(gateway, clock, site)
  return {
    handler: createNodeHandler(gateway, clock, site),
    fetch,
    handlers: { GET: fetch, POST: fetch },
    control: { drain: gateway.drain, revoke: gateway.revoke, close: () => watch.close() },
  }
}
