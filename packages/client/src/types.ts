/** The client's typed surface, inferred from the server's `typeof rt`; create-client.ts implements it, apps name its types. */
import type { ChannelNames, ContractOf, Declares, GapEvent, Id, PatternOf, RealtimeError } from '@rt/protocol'

/** What `createClient` knows when no `typeof rt` is given: every name, data unknown. */
export type Undeclared = Declares<{
  [name: string]: {
    input: unknown
    output: unknown
    live: false
    publishable: true
    presenceInput: unknown
    presence: unknown
    state: unknown
  }
}>

/** The channel names that the server declares: `` `chat:${string}` | 'news' ``. */
export type ChannelName<R extends Declares> = ChannelNames<ContractOf<R>>

type ContractFor<R extends Declares, C extends string> = ContractOf<R>[PatternOf<ContractOf<R>, C>]

/** What subscribers of channel `C` get as `data`: the output of its schema, as JSON carries it. */
export type MessageOf<R extends Declares, C extends ChannelName<R>> = ContractFor<R, C>['output']

/** What `publish` of channel `C` takes: the input of its schema; `never` when clients may not publish there. */
export type PublishOf<R extends Declares, C extends ChannelName<R>> = ContractFor<R, C>['publishable'] extends true
  ? ContractFor<R, C>['input']
  : never

// What a contract leaves out is not declared, as what it has as `never`.
type Declared<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : never

/** What members of channel `C` tell each other: the output of its `presence` schema, as JSON carries it; `never` when it has none. */
export type PresenceOf<R extends Declares, C extends ChannelName<R>> = Declared<ContractFor<R, C>, 'presence'>

/** What `presence.enter` of channel `C` takes: the input of its `presence` schema; `never` when it has none. */
export type PresenceInputOf<R extends Declares, C extends ChannelName<R>> = Declared<ContractFor<R, C>, 'presenceInput'>

/** What `state` of channel `C` computes, as JSON carries it; `never` when the server declares none. */
export type StateOf<R extends Declares, C extends ChannelName<R>> = Declared<ContractFor<R, C>, 'state'>

type IsLive<R extends Declares, C extends ChannelName<R>> = ContractFor<R, C>['live'] extends true ? true : false

/** One publication as callbacks get it. */
export interface Message<Data = unknown, Live extends boolean = false> {
  readonly data: Data
  /** Its place in the channel's order; null on `live` channels, which are outside it. */
  readonly id: Live extends true ? null : Id
  /** Milliseconds since 1970: when the broker stored it; on `live` channels when it arrived here. */
  readonly time: number
  /** Identity id of the publisher; null when the server published. */
  readonly from: string | null
  readonly channel: string
  /** The publisher's id of this publication; null on `live` channels. */
  readonly messageId: Live extends true ? null : string
}

/** How a channel is subscribed. */
export interface SubscribeOptions {
  /** How many of the newest publications to get first, oldest first. 0 to 1000, default 0. */
  readonly last?: number
  /** Ends the subscription when it aborts. */
  readonly signal?: AbortSignal
}

/** How a client publishes. */
export interface PublishOptions {
  /** 1 to 64 letters, digits, `_` or `-`. The same one again within the server's `dedupe` (5 minutes by default) is stored once. Default: a random one. */
  readonly messageId?: string
  /** Gives up waiting for the answer; the promise rejects with `outcome: 'unknown'` when the command was already sent. */
  readonly signal?: AbortSignal
}

/** A place at which publications may be missing. */
export interface Gap {
  readonly channel: string
  /** `history`: trimmed or expired before it was read; `epoch`: the broker lost data; `cursor`: the server does not know our cursor. */
  readonly reason: GapEvent['reason']
}

/** What `channel.on` announces. */
export interface ChannelEvents {
  /** Publications may be missing at this place. Told in order, between the messages around it. */
  gap: Gap
  /** The channel is established: from here on every publication arrives, or a gap is told. */
  subscribed: { readonly channel: string }
  /** The server refused or took away the subscription. */
  error: RealtimeError
}

/** What `channel.on` announces beside where the server declares `state`. */
export interface StateEvents<State> {
  /**
   * The channel's state, which the server computed for this client as of publication `id`: told first, then the publications behind it as messages,
   * then `subscribed`. Told anew after a gap.
   */
  state: { readonly channel: string; readonly state: State; readonly id: Id }
}

/** What every channel offers. */
export interface ReadableChannel<Name extends string, M, Options, Events = ChannelEvents> extends AsyncIterable<M> {
  readonly name: Name
  /** Whether something is subscribed and `subscribed` was told: who comes later is not told again. */
  readonly established: boolean
  /**
   * Calls back for each publication, in order, each once. Returns its own undo.
   *
   * @example
   * const off = client.channel('chat:42').subscribe(({ data }) => console.log(data.text), { last: 50 })
   */
  subscribe(callback: (message: M) => void, options?: Options): () => void
  /** Listens to what is not a message. Returns its own undo. */
  on<E extends keyof Events>(event: E, callback: (value: Events[E]) => void): () => void
}

/** What channels with a log offer beside. */
export interface LoggedChannel<M> {
  /** The newest `last` (1 to 1000) publications, oldest first. Rejects with `forbidden`, `broker_unavailable`, `timeout`. */
  history(options: { readonly last: number }): Promise<M[]>
}

/** What channels with a `publish` rule offer beside. */
export interface PublishableChannel<Data, Live extends boolean = false> {
  /**
   * Resolves when the publication is stored (`live`: sent). Rejects with `invalid_message`, `forbidden`, `payload_too_large`,
   * `rate_limited`, `broker_unavailable`, `timeout`; `error.outcome` says whether it may have happened all the same.
   */
  publish(data: Data, options?: PublishOptions): Promise<{ readonly id: Live extends true ? null : Id }>
}

/** What channels with a `state` offer beside. */
export interface StatefulChannel<State> {
  /** The state that was told last; undefined before the first. Messages do not change it. */
  readonly state: State | undefined
}

/** Somebody who is present in a channel, with all tabs and devices taken together. */
export interface MemberOf<State = unknown> {
  /** Identity id. */
  readonly id: string
  /** What the member said last, on whichever tab. */
  readonly state: State
}

/** Who is present. Never changed: a new object at each change, the same one until then. */
export interface PresenceList<State = unknown> {
  readonly members: readonly MemberOf<State>[]
  /** False while the server can't tell who is gone, or nothing is known yet. */
  readonly known: boolean
}

/** What happened to a member. `leave` carries the last state. */
export interface PresenceChangeOf<State = unknown> {
  readonly action: 'enter' | 'update' | 'leave'
  readonly member: MemberOf<State>
}

/** Who is where: membership of this client, and the list of members. */
export interface ChannelPresence<State = unknown, Input = State> {
  /**
   * Makes this client present. Resolves when the server has stored it; it stays so through reconnects until {@link leave} or the end of the page.
   * Rejects with `unauthenticated`, `forbidden`, `invalid_message`, `payload_too_large`, `broker_unavailable`, `timeout`.
   *
   * @example
   * await client.channel('doc:7').presence.enter({ name: 'Ada' })
   */
  enter(state: Input): Promise<void>
  /** Changes the state; rejects with `invalid_request` when this client has not entered. */
  update(state: Input): Promise<void>
  /** Ends this client's presence. The member is gone when none of its other tabs and devices is there. */
  leave(): Promise<void>
  /** Asks the server once. */
  get(): Promise<PresenceList<State>>
  /** What is known here, kept up to date while something is subscribed. */
  readonly list: PresenceList<State>
  /**
   * Calls back with the list after each change, each told once. `change` is null when only `known` changed. Returns its own undo.
   *
   * @example
   * const off = client.channel('doc:7').presence.subscribe(({ members }) => console.log(members.length))
   */
  subscribe(
    callback: (list: PresenceList<State>, change: PresenceChangeOf<State> | null) => void,
    options?: { readonly signal?: AbortSignal },
  ): () => void
}

/** What channels with a `presence` schema offer beside. */
export interface PresentChannel<State, Input> {
  readonly presence: ChannelPresence<State, Input>
}

/** What `channel.on` announces for channel `C`. */
export type ChannelEventsOf<R extends Declares, C extends ChannelName<R>> = [StateOf<R, C>] extends [never]
  ? ChannelEvents
  : ChannelEvents & StateEvents<StateOf<R, C>>

/** A channel as `client.channel(name)` returns it. `publish`, `history`, `presence` and `state` exist where the server declares them. */
export type TypedChannel<R extends Declares, C extends ChannelName<R>> = ReadableChannel<
  C,
  Message<MessageOf<R, C>, IsLive<R, C>>,
  IsLive<R, C> extends true ? Omit<SubscribeOptions, 'last'> : SubscribeOptions,
  ChannelEventsOf<R, C>
> &
  (IsLive<R, C> extends true ? unknown : LoggedChannel<Message<MessageOf<R, C>>>) &
  ([PublishOf<R, C>] extends [never] ? unknown : PublishableChannel<PublishOf<R, C>, IsLive<R, C>>) &
  ([PresenceOf<R, C>] extends [never] ? unknown : PresentChannel<PresenceOf<R, C>, PresenceInputOf<R, C>>) &
  ([StateOf<R, C>] extends [never] ? unknown : StatefulChannel<StateOf<R, C>>)

/** The part of the client that depends on the declared channels. */
export interface TypedClient<R extends Declares = Undeclared> {
  /**
   * The channel of this name; the same object for the same name. Costs nothing until something subscribes.
   *
   * @example
   * import type { Realtime } from './realtime'
   * const client = createClient<Realtime>('/rt')
   * client.channel('chat:42').publish({ text: 'hello' })
   */
  channel<C extends ChannelName<R>>(name: C): C extends unknown ? TypedChannel<R, C> : never
}
