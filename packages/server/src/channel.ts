/** What an app declares about a channel, and the types that follow from it; used by createRealtime and by apps. */
import type { AsJson } from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Duration } from './duration'
import type { Identity } from './ports/connection'

/** The parameters of a pattern: `'chat:{room}'` → `{ room: string }`. */
export type ParamsOf<Pattern> = Pattern extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [K in Name | keyof ParamsOf<Rest>]: string }
  : { readonly [K in never]: string }

/** What a rule is asked about. */
export interface RuleContext<I extends Identity = Identity, P = { readonly [name: string]: string }> {
  /** Who asks: what `authenticate` returned; null for nobody in particular. */
  readonly identity: I | null
  /** What stands in the name for each `{…}` of the pattern. */
  readonly params: P
  /** The whole name, such as `chat:42`. */
  readonly channel: string
}

/**
 * Who may: `'public'` for everybody, or a function that says yes with `true`. Anything else that it returns means no (`forbidden`, or
 * `unauthenticated` for nobody). When it throws, a RealtimeError is passed on as it is, and all else lets nobody in as `internal`: the client
 * asks again later. Asked anew for every stream and every command: keep it fast.
 */
export type Rule<I extends Identity = Identity, P = { readonly [name: string]: string }> =
  | 'public'
  | ((context: RuleContext<I, P>) => boolean | Promise<boolean>)

/** What a channel keeps for clients that come back. */
export interface HistoryOptions {
  /** How many of the newest publications are kept, at least. 1 to 100,000, default 100. */
  readonly size?: number
  /** How long a publication is kept. 1 s to 30 days, default 5 minutes. What is gone when a client comes back is told to it as a `gap`. */
  readonly ttl?: Duration
}

/** How a channel is delivered. */
export type Delivery =
  | {
      /**
       * `all` (default): every publication, in order, resumed after every cut.
       * `latest`: the same, but a reader that can't keep up may get only the newest: progress, prices.
       * `live`: not stored, may be lost, lowest latency, works while the broker is away: cursors, typing.
       */
      readonly delivery?: 'all' | 'latest'
      /** What is retained for clients that come back. */
      readonly history?: HistoryOptions
    }
  | { readonly delivery: 'live'; readonly history?: never }

interface Rules<S extends StandardSchemaV1, I extends Identity, P> {
  /** The payload's schema, of any Standard Schema library (zod, valibot, arktype …). Its output is what is published, so it must be JSON. */
  readonly message: S
  /** Who may subscribe and read the history. Default: nobody. */
  readonly subscribe?: Rule<I, P>
  /** Which clients may publish. Default: none, only the server; then the typed client has no `publish` here. */
  readonly publish?: Rule<I, P>
  /**
   * What a member says about itself when it enters (`room.presence.enter({ name })`): a Standard Schema. Whoever may subscribe may enter and see
   * who is there. At most 4 KiB as JSON. Default: the channel has no presence.
   */
  readonly presence?: StandardSchemaV1
  /**
   * Computed for each client that subscribes, after its place in the channel is fixed, and sent before the publications that come later; anew after
   * a gap. So it may already know of a publication that follows it, and never lacks one. Must be JSON. When it throws, the client asks again later.
   */
  readonly state?: (context: RuleContext<I, P>) => unknown
}

/** One entry of `channels`. */
export type ChannelOptions<
  S extends StandardSchemaV1 = StandardSchemaV1,
  I extends Identity = Identity,
  P = { readonly [name: string]: string },
> = Rules<S, I, P> & Delivery

/** A channel made by {@link channel}: what it lacks is known to be absent. */
export type Channel<S extends StandardSchemaV1, I extends Identity, P, D, W, Q, T> = Omit<
  Rules<S, I, P>,
  'publish' | 'presence' | 'state'
> &
  // `D` and `W` stand in conditions only, so that the surrounding createRealtime() infers from what was written here, and nothing into it.
  (D extends 'live' ? Extract<Delivery, { delivery: 'live' }> : Exclude<Delivery, { delivery: 'live' }>) &
  (unknown extends W ? { readonly publish?: never } : { readonly publish: Rule<I, P> }) &
  (unknown extends Q ? { readonly presence?: never } : { readonly presence: Q }) &
  (unknown extends T ? { readonly state?: never } : { readonly state: (context: RuleContext<I, P>) => T })

/**
 * Declares a channel. Inside `channels` of createRealtime() it may be left out: a plain object is the same, and knows more, for `identity` is
 * then of the type that `authenticate` returns. TypeScript reads a call like this one before `authenticate`; its rules know the parameters
 * of the pattern, but of `identity` only what every {@link Identity} has, unless the context is annotated.
 *
 * @example
 * const news = channel({ message: z.object({ text: z.string() }), subscribe: 'public' })
 * const chat = channel({
 *   message: z.object({ text: z.string() }),
 *   history: { size: 1000, ttl: '1d' },
 *   subscribe: ({ identity, params }: RuleContext<User, { room: string }>) => identity?.rooms.includes(params.room) ?? false,
 * })
 * export const rt = createRealtime({ authenticate, channels: { news, 'chat:{room}': chat } })
 */
export function channel<
  S extends StandardSchemaV1,
  I extends Identity,
  P extends { readonly [name: string]: string },
  const D,
  W,
  Q,
  T,
>(
  definition: ChannelOptions<S, I, P> & { readonly delivery?: D } & { readonly publish?: W } & {
    readonly presence?: Q
  } & { readonly state?: (context: RuleContext<I, P>) => T },
): Channel<S, I, P, D, W, Q, T>
export function channel(definition: ChannelOptions): ChannelOptions {
  return definition
}

/**
 * The type of `channels`, made so that all of it is inferred from plain object literals: the schemas `S`, the deliveries `D`, the `publish`
 * rules `W`, the presence schemas `Q` and the states `T` by pattern, while the rules get their context from the pattern and from `I`.
 */
export type Channels<I extends Identity, S extends Record<string, StandardSchemaV1>, D, W, Q, T> = {
  readonly [K in keyof S]: ChannelOptions<S[K], I, ParamsOf<K>>
} & { readonly [K in keyof D]: { readonly delivery?: D[K] } } & {
  readonly [K in keyof W]: { readonly publish?: W[K] }
} & { readonly [K in keyof Q]: { readonly presence?: Q[K] } } & { readonly [K in keyof T]: { readonly state?: T[K] } }

type IsRule<W> = [W] extends [never] ? false : W extends 'public' | ((...args: never[]) => unknown) ? true : false

type At<T, K> = K extends keyof T ? T[K] : undefined

type StateOf<F> = [F] extends [never] ? never : F extends (...args: never[]) => infer R ? AsJson<Awaited<R>> : never

/** The contract (see @rt/protocol) that `channels` declares. */
export type ContractFrom<S extends Record<string, StandardSchemaV1>, D, W, Q, T> = {
  readonly [K in keyof S & string]: {
    readonly input: StandardSchemaV1.InferInput<S[K]>
    readonly output: AsJson<StandardSchemaV1.InferOutput<S[K]>>
    readonly live: At<D, K> extends 'live' ? true : false
    readonly publishable: IsRule<At<W, K>>
    readonly presenceInput: At<Q, K> extends StandardSchemaV1 ? StandardSchemaV1.InferInput<At<Q, K>> : never
    readonly presence: At<Q, K> extends StandardSchemaV1 ? AsJson<StandardSchemaV1.InferOutput<At<Q, K>>> : never
    readonly state: StateOf<At<T, K>>
  }
}
